package capacity

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

// Day is the orders of one day, UTC.
type Day struct {
	Date   time.Time
	Orders float64
}

// Traffic is the past: every day from the first to the last, in all regions together and by region.
type Traffic struct {
	Days    []Day
	Regions map[regions.Name][]Day // empty where the file does not tell regions apart
}

// Bounds of a traffic file.
const (
	maxTrafficRows = 200_000
	maxDayOrders   = 1_000_000_000_000
)

// ReadTraffic reads a CSV file with the columns date (YYYY-MM-DD), orders and, if it likes, region, in the order that
// its first line gives them. Each day from the first to the last is there once, or once for each region. Its errors are
// fault.Invalid TRAFFIC_INVALID and name the line.
func ReadTraffic(r io.Reader) (Traffic, error) {
	rows, err := readRows(r)
	if err != nil {
		return Traffic{}, fault.Wrap(err, fault.Invalid, "TRAFFIC_INVALID", "the traffic cannot be read")
	}
	return gather(rows)
}

// row is one line of a traffic file.
type row struct {
	line   int
	date   time.Time
	orders float64
	region regions.Name
}

func readRows(r io.Reader) ([]row, error) {
	var rows []row
	var columns map[string]int
	for lines := csv.NewReader(r); ; {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the line, and its caller the operation
		}
		line, _ := lines.FieldPos(0)
		switch {
		case columns == nil:
			columns, err = header(fields)
		case len(rows) == maxTrafficRows:
			err = fmt.Errorf("more than %d rows", maxTrafficRows)
		default:
			var parsed row
			parsed, err = parseRow(fields, columns)
			parsed.line = line
			rows = append(rows, parsed)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("it has no rows below a first line such as `date,orders`")
	}
	return rows, nil
}

// header returns where the columns are.
func header(fields []string) (map[string]int, error) {
	at := map[string]int{}
	for i, f := range fields {
		name := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(f, "\ufeff")))
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("the column %q is there twice", name)
		}
		if !slices.Contains([]string{"date", "orders", "region"}, name) {
			return nil, fmt.Errorf("an unknown column %q; there are date, orders and region", name)
		}
		at[name] = i
	}
	for _, name := range []string{"date", "orders"} {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("the column %q is missing; the first line names the columns, such as `date,orders`", name)
		}
	}
	return at, nil
}

func parseRow(fields []string, columns map[string]int) (row, error) {
	field := func(name string) string { return strings.TrimSpace(fields[columns[name]]) }
	date, err := time.Parse(time.DateOnly, field("date"))
	if err != nil {
		return row{}, fmt.Errorf("%q is no date such as 2026-11-27", field("date"))
	}
	orders, err := strconv.ParseUint(field("orders"), 10, 64)
	if err != nil || orders > maxDayOrders {
		return row{}, fmt.Errorf("%q is no number of orders: a whole one, at most %d", field("orders"), int64(maxDayOrders))
	}
	out := row{date: date, orders: float64(orders)}
	if _, ok := columns["region"]; ok {
		if out.region = regions.Name(field("region")); out.region == "" {
			return row{}, errors.New("no region")
		}
	}
	return out, nil
}

// gather sorts rows by day and region, and wants every day to be there.
func gather(rows []row) (Traffic, error) {
	wrong := func(format string, args ...any) (Traffic, error) {
		return Traffic{}, fault.New(fault.Invalid, "TRAFFIC_INVALID", "the traffic cannot be read: "+format, args...)
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.date.Compare(b.date) })
	by := map[regions.Name][]row{}
	for _, r := range rows {
		before := by[r.region]
		if n := len(before); n > 0 {
			last := before[n-1]
			if last.date.Equal(r.date) {
				return wrong("line %d: %s%s is there before, in line %d", r.line, r.date.Format(time.DateOnly), of(r.region), last.line)
			}
			if missing := last.date.AddDate(0, 0, 1); !missing.Equal(r.date) {
				return wrong("line %d: %s%s is missing before it", r.line, missing.Format(time.DateOnly), of(r.region))
			}
		}
		by[r.region] = append(before, r)
	}
	t := Traffic{Regions: map[regions.Name][]Day{}}
	first := rows[0].date
	last := rows[len(rows)-1].date
	for _, name := range slices.Sorted(maps.Keys(by)) {
		own := by[name]
		if !own[0].date.Equal(first) || !own[len(own)-1].date.Equal(last) {
			return wrong("line %d: the days%s are %s to %s, but those of others %s to %s", own[0].line, of(name),
				own[0].date.Format(time.DateOnly), own[len(own)-1].date.Format(time.DateOnly), first.Format(time.DateOnly), last.Format(time.DateOnly))
		}
		for i, r := range own {
			if i == len(t.Days) {
				t.Days = append(t.Days, Day{Date: r.date})
			}
			t.Days[i].Orders += r.orders
			if name != "" {
				t.Regions[name] = append(t.Regions[name], Day{r.date, r.orders})
			}
		}
	}
	return t, nil
}

func of(n regions.Name) string {
	if n == "" {
		return ""
	}
	return " of " + string(n)
}

// Shares returns each region's orders over the last days, at most so many; nil where the traffic does not tell
// regions apart.
func (t Traffic) Shares(days int) map[regions.Name]float64 {
	if len(t.Regions) == 0 {
		return nil
	}
	out := map[regions.Name]float64{}
	for n, all := range t.Regions {
		for _, d := range all[max(0, len(all)-days):] {
			out[n] += d.Orders
		}
	}
	return out
}
