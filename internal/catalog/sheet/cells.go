package sheet

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/meridian-commerce/meridian/internal/plaintext"
)

// Text returns a cell that is one line of text; line breaks and tabs in it become spaces.
func (r Row) Text(c Column, limit int) (string, error) {
	s := r.Cell(c)
	if strings.ContainsAny(s, "\n\r\t") {
		s = strings.Join(strings.Fields(s), " ")
	}
	return s, r.CheckText(c, s, limit)
}

// CheckText refuses text that is too long, or that shows as something else than it is.
func (r Row) CheckText(c Column, s string, limit int) error {
	switch {
	case utf8.RuneCountInString(s) > limit:
		return r.Fault(c, ReasonTooLong, "%s has more than %d characters", Quote(s), limit)
	case !utf8.ValidString(s):
		return r.Fault(c, ReasonText, "%s is not in UTF-8; if the whole file is not, say what it is in, such as windows-1252 or shift_jis", Quote(s))
	case strings.ContainsFunc(s, plaintext.Deceives):
		return r.Fault(c, ReasonText, "%s has control characters, or turns the direction of writing", Quote(s))
	}
	return nil
}

// Description returns a cell of a description's length, which may hold HTML and lines.
func (r Row) Description(c Column) (string, error) {
	s := r.Cell(c)
	return s, r.CheckDescription(c, s)
}

// CheckDescription refuses a description that is too long, or no text.
func (r Row) CheckDescription(c Column, s string) error {
	switch {
	case utf8.RuneCountInString(s) > MaxDescription:
		return r.Fault(c, ReasonTooLong, "the description has more than %d characters", MaxDescription)
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		return r.Fault(c, ReasonText, "the description is not text in UTF-8")
	}
	return nil
}

// Code reads an SKU or barcode. Exports put an apostrophe before codes that a spreadsheet would take for numbers.
func (r Row) Code(c Column) (string, error) {
	s, err := r.Text(c, MaxText)
	return strings.TrimSpace(strings.TrimPrefix(s, "'")), err
}

// CheckTags returns tags without repetitions, and refuses what a tag cannot be.
func (r Row) CheckTags(c Column, all []string) ([]string, error) {
	var tags []string
	for _, tag := range all {
		if err := r.CheckText(c, tag, MaxText); err != nil {
			return nil, err
		}
		switch {
		case slices.Contains(tags, tag):
		case len(tags) == MaxTags:
			return nil, r.Fault(c, ReasonTooMany, "the product has more than %d tags", MaxTags)
		default:
			tags = append(tags, tag)
		}
	}
	return tags, nil
}

// Quantity reads units in stock; given is false for an empty cell. Below 0 they are owed already.
func (r Row) Quantity(c Column) (units int, given bool, err error) {
	return r.CheckQuantity(c, r.Cell(c))
}

// CheckQuantity reads units in stock from text that stands in a column.
func (r Row) CheckQuantity(c Column, text string) (units int, given bool, err error) {
	if text == "" {
		return 0, false, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, true, r.Fault(c, ReasonQuantity, "%s is not a whole number of units", Quote(text))
	case n < -MaxQuantity || n > MaxQuantity:
		return 0, true, r.Fault(c, ReasonQuantity, "%s is not between -%d and %[2]d", Quote(text), MaxQuantity)
	}
	return n, true, nil
}

// Grams reads a weight as a number of units of so many grams each, and rounds it. An empty cell is no weight.
func (r Row) Grams(c Column, text string, each float64) (int, error) {
	if text == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(text, 64)
	grams := math.Round(number * each)
	switch {
	case err != nil || strings.Trim(text, "0123456789.-") != "":
		return 0, r.Fault(c, ReasonWeight, "%s is not a number", Quote(text))
	case grams < 0 || grams > MaxGrams:
		return 0, r.Fault(c, ReasonWeight, "%s is not between 0 and %d grams", Quote(text), MaxGrams)
	}
	return int(grams), nil
}

// GramsPer are the grams in the units that weights are given in.
func GramsPer(unit string) (grams float64, known bool) {
	switch strings.ToLower(unit) {
	case "g", "gram", "grams":
		return 1, true
	case "kg", "kilogram", "kilograms":
		return 1000, true
	case "lb", "lbs", "pound", "pounds":
		return 453.59237, true
	case "oz", "ounce", "ounces":
		return 28.349523125, true
	}
	return 0, false
}

// Image returns an image's address, and refuses what is none.
func (r Row) Image(c Column, src string) (string, error) {
	if err := r.CheckText(c, src, MaxImage); err != nil {
		return "", err
	}
	if address, err := url.Parse(src); err != nil || !slices.Contains([]string{"", "http", "https"}, address.Scheme) {
		return "", r.Fault(c, ReasonImage, "%s is neither a relative path nor an http or https address", Quote(src))
	}
	return src, nil
}

// CheckHandle returns a handle in the form that browsers send, or refuses it.
func (r Row) CheckHandle(c Column, handle string) (string, error) {
	switch {
	case utf8.RuneCountInString(handle) > MaxText:
		return "", r.Fault(c, ReasonTooLong, "%s has more than %d characters", Quote(handle), MaxText)
	case !ValidHandle(handle):
		return "", r.Fault(c, ReasonHandle,
			"%s is not a handle: those are lower-case letters, digits, signs such as ™, hyphens and underscores", Quote(handle))
	}
	return norm.NFC.String(handle), nil
}

// ValidHandle reports whether s is made as Shopify's handles are: of letters of any script that are not upper-case, digits
// and signs, so that it is one part of a URL's path.
func ValidHandle(s string) bool {
	return utf8.ValidString(s) && strings.Trim(s, "-_") != "" && !strings.ContainsFunc(s, func(c rune) bool {
		if c < utf8.RuneSelf {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", c)
		}
		return !unicode.IsPrint(c) || unicode.IsUpper(c) || c == utf8.RuneError
	})
}

// Slug makes a handle of a text: letters become lower-case, and what a handle cannot have becomes hyphens.
func Slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFC.String(s)), func(c rune) bool {
		return c != '_' && !ValidHandle(string(c))
	})
	return strings.Trim(strings.Join(words, "-"), "-_")
}

// List splits text at a separator and drops empty parts and outer spaces.
func List(s, separator string) []string {
	var parts []string
	for part := range strings.SplitSeq(s, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// Category writes the path of a category as the catalog does.
func Category(path string) string { return strings.Join(List(path, ">"), " > ") }
