package promotion

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/internal/money"
)

// maxFile bounds a file of promotions, in bytes.
const maxFile = 1 << 20

// entry is a promotion as a merchant writes it. Numbers are read as they are written, since no float is exact.
type entry struct {
	ID       string            `yaml:"id"`
	Name     string            `yaml:"name"`
	Code     string            `yaml:"code"`
	Priority int64             `yaml:"priority"`
	Percent  string            `yaml:"percent"`
	Amount   map[string]string `yaml:"amount"`
	Variants []string          `yaml:"variants"`
	Tags     []string          `yaml:"tags"`
	Minimum  map[string]string `yaml:"minimum"`
	From     string            `yaml:"from"`
	Until    string            `yaml:"until"`
	Enabled  *bool             `yaml:"enabled"`
}

// Parse reads a YAML list of promotions, and validates each. No two have the same id, or the same code. Errors are fault.Invalid
// (PROMOTION_INVALID).
func Parse(in io.Reader) ([]Promotion, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil || len(text) > maxFile {
		return nil, fault.Wrap(err, fault.Invalid, "PROMOTION_INVALID", "the file cannot be read, or is longer than %d bytes", maxFile)
	}
	var entries []entry
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&entries); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "PROMOTION_INVALID", "the file is not a YAML list of promotions")
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "PROMOTION_INVALID", "the file has more than one YAML document")
	}
	var out []Promotion
	ids, codes := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		p, err := e.promotion()
		if err != nil {
			return nil, fault.Wrap(err, fault.Invalid, "PROMOTION_INVALID", "promotion %.80q: what it says cannot be read", e.ID)
		}
		if err := p.Validate(); err != nil {
			return nil, err
		}
		if ids[p.ID] || (p.Code != "" && codes[p.Code]) {
			return nil, fault.New(fault.Invalid, "PROMOTION_INVALID", "promotion %.80q: its id or its code is in the file twice", p.ID)
		}
		ids[p.ID], codes[p.Code] = true, true
		out = append(out, p)
	}
	return out, nil
}

func (e entry) promotion() (p Promotion, err error) {
	p = Promotion{
		ID: e.ID, Name: e.Name, Code: strings.ToUpper(strings.TrimSpace(e.Code)), Priority: e.Priority,
		Variants: e.Variants, Tags: e.Tags, Enabled: e.Enabled == nil || *e.Enabled,
	}
	if e.Percent != "" {
		// Two digits after the point at most, as cents have: so a percentage of 10.5 is 1050 basis points.
		points, err := money.Parse(e.Percent, "USD")
		if err != nil {
			return p, fmt.Errorf("percent: %w", err)
		}
		p.BasisPoints = points.Minor
	}
	if p.Amounts, err = amounts(e.Amount); err != nil {
		return p, fmt.Errorf("amount: %w", err)
	}
	if p.Minimum, err = amounts(e.Minimum); err != nil {
		return p, fmt.Errorf("minimum: %w", err)
	}
	if p.From, err = instant(e.From); err != nil {
		return p, fmt.Errorf("from: %w", err)
	}
	if p.Until, err = instant(e.Until); err != nil {
		return p, fmt.Errorf("until: %w", err)
	}
	return p, nil
}

// amounts reads decimals by currency, in the order of the currencies' codes.
func amounts(by map[string]string) ([]money.Money, error) {
	var out []money.Money
	for _, name := range slices.Sorted(maps.Keys(by)) {
		currency, err := money.ParseCurrency(name)
		if err != nil {
			return nil, err
		}
		m, err := money.Parse(by[name], currency)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// instant reads a time that says its offset, so that it is the same one everywhere.
func instant(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	return at.UTC(), err
}
