package capacity_test

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/capacity"
	"github.com/meridian-commerce/meridian/internal/fault"
	"github.com/meridian-commerce/meridian/regions"
)

func date(n int) time.Time { return time.Date(2026, time.January, 1+n, 0, 0, 0, 0, time.UTC) }

// past is traffic of so many days.
func past(n int, orders func(day int) float64) capacity.Traffic {
	var t capacity.Traffic
	for i := range n {
		t.Days = append(t.Days, capacity.Day{Date: date(i), Orders: orders(i)})
	}
	return t
}

func TestAWeekThatRepeats(t *testing.T) {
	t.Parallel()
	f, err := capacity.Predict(past(70, func(day int) float64 { return 1000 + 100*float64(day%7) }), 14)
	if err != nil {
		t.Fatal(err)
	}
	if f.Method != capacity.SeasonalNaive || f.Naive != 0 || f.Mean != 1300 || f.Peak != 1600 || f.PeakDay != date(76).Format(time.DateOnly) || len(f.Predicted) != 14 {
		t.Errorf("%+v", f)
	}
	if got, want := f.OrdersPerSecond(3), 1600.0/86400*3; got != want {
		t.Errorf("%v orders a second, want %v", got, want)
	}
}

func TestATrendIsFollowed(t *testing.T) {
	t.Parallel()
	grows := func(day int) float64 { return 2000 + 40*float64(day) + 900*math.Sin(2*math.Pi*float64(day)/7) }
	f, err := capacity.Predict(past(120, grows), 30)
	if err != nil {
		t.Fatal(err)
	}
	if f.Method != capacity.HoltWinters || f.Smoothed > 0.02 || f.Naive < 0.03 {
		t.Errorf("%+v", f)
	}
	for i, d := range f.Predicted {
		if want := grows(120 + i); math.Abs(d.Orders-want)/want > 0.05 {
			t.Errorf("%s: %v, want about %v", d.Date.Format(time.DateOnly), d.Orders, want)
		}
	}
}

func TestAForecastIsNeverNegative(t *testing.T) {
	t.Parallel()
	f, err := capacity.Predict(past(80, func(day int) float64 { return max(1, 2000-25*float64(day)) }), 200)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Predicted {
		if d.Orders < 0 {
			t.Fatalf("%s: %v", d.Date.Format(time.DateOnly), d.Orders)
		}
	}
}

func TestForecastsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		days, horizon int
		orders        float64
		says          string
	}{
		{41, 10, 5, "42 days at least, and there are 41"},
		{42, 0, 5, "1 to 400 days, not 0"},
		{42, 401, 5, "1 to 400 days, not 401"},
		{42, 10, 0, "nothing was ordered"},
	} {
		if _, err := capacity.Predict(past(c.days, func(int) float64 { return c.orders }), c.horizon); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v; want %q", err, c.says)
		}
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	got, err := capacity.ReadTraffic(strings.NewReader("\ufeffRegion, date ,orders\r\nus-east-1,2026-01-02,7\n\nus-east-1,2026-01-01,5\neu-west-1,2026-01-01,1\neu-west-1,2026-01-02,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := capacity.Traffic{
		Days: []capacity.Day{{Date: date(0), Orders: 6}, {Date: date(1), Orders: 7}},
		Regions: map[regions.Name][]capacity.Day{
			"us-east-1": {{Date: date(0), Orders: 5}, {Date: date(1), Orders: 7}},
			"eu-west-1": {{Date: date(0), Orders: 1}, {Date: date(1), Orders: 0}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[regions.Name]float64{"us-east-1": 7, "eu-west-1": 0}, got.Shares(1)); diff != "" {
		t.Error(diff)
	}
	plain, err := capacity.ReadTraffic(strings.NewReader("orders,date\n3,2026-01-01"))
	if err != nil || len(plain.Days) != 1 || plain.Days[0].Orders != 3 || plain.Shares(28) != nil {
		t.Errorf("%+v, %v", plain, err)
	}
}

func TestTrafficThatIsWrong(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                             "no rows",
		"date,orders\n":                "no rows",
		"date\n2026-01-01":             `line 1: the column "orders" is missing`,
		"date,orders,sales\n":          `line 1: an unknown column "sales"`,
		"date,orders,date\n":           `line 1: the column "date" is there twice`,
		"2026-01-01,5\n2026-01-02,5\n": `line 1: an unknown column "2026-01-01"`,
		"date,orders\n2026-01-01,5\n2026-13-01,5": `line 3: "2026-13-01" is no date`,
		"date,orders\n01/02/2026,5":               `line 2: "01/02/2026" is no date`,
		"date,orders\n2026-01-01,-5":              `line 2: "-5" is no number of orders`,
		"date,orders\n2026-01-01,5.5":             `line 2: "5.5" is no number of orders`,
		"date,orders\n2026-01-01,1e9":             `line 2: "1e9" is no number of orders`,
		"date,orders\n2026-01-01,9999999999999":   `line 2: "9999999999999" is no number of orders`,
		"date,orders\n2026-01-01,5,6":             "line 2: wrong number of fields",
		"date,orders\n\n2026-01-01":               "line 3: wrong number of fields",
		"date,orders\n2026-01-01,5\n2026-01-01,6": "line 3: 2026-01-01 is there before, in line 2",
		"date,orders\n2026-01-01,5\n2026-01-03,6": "line 3: 2026-01-02 is missing before it",
		"date,orders,region\n2026-01-01,5,":       "line 2: no region",
		"date,orders,region\n2026-01-01,5,us-east-1\n2026-01-02,5,us-east-1\n2026-01-01,5,eu-west-1": "of eu-west-1",
		"date,orders\n" + strings.Repeat("9", 70_000):                                                "line 2: ",
	} {
		_, err := capacity.ReadTraffic(strings.NewReader(text))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q: %v; want %q", text, err, says)
		}
	}
}

// FuzzReadTraffic: whatever the file, traffic is a row of days without gaps that add up, or an error.
func FuzzReadTraffic(f *testing.F) {
	f.Add("date,orders\n2026-01-01,5\n2026-01-02,6\n")
	f.Add("date,orders,region\n2026-01-01,5,us-east-1\n2026-01-01,6,eu-west-1\n")
	f.Add("region,orders,date\r\nx,0,2024-02-29\r\nx,1,2024-03-01\r\n")
	f.Add("date,orders\n2026-01-01,5\n2026-01-03,6\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := capacity.ReadTraffic(strings.NewReader(text))
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%v is not fault.Invalid", err)
			}
			return
		}
		if len(got.Days) == 0 {
			t.Fatal("no days and no error")
		}
		for i, d := range got.Days {
			sum := 0.0
			for n, own := range got.Regions {
				if len(own) != len(got.Days) || !own[i].Date.Equal(d.Date) {
					t.Fatalf("the days of %s are others", n)
				}
				sum += own[i].Orders
			}
			if i > 0 && !got.Days[i-1].Date.AddDate(0, 0, 1).Equal(d.Date) {
				t.Fatalf("a gap before %v", d.Date)
			}
			if len(got.Regions) > 0 && sum != d.Orders {
				t.Fatalf("%v: %v by region, %v in all", d.Date, sum, d.Orders)
			}
		}
		if _, err := capacity.Predict(got, 7); err != nil && !fault.Is(err, fault.Invalid) {
			t.Fatalf("%v is not fault.Invalid", err)
		}
	})
}

// TestTheExampleIsTraffic: the file that the documentation forecasts from.
func TestTheExampleIsTraffic(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../../docs/explanation/traffic.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // only read
	got, err := capacity.ReadTraffic(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := capacity.Predict(got, 30)
	if err != nil || len(got.Regions) != 3 {
		t.Fatalf("%v, %d regions", err, len(got.Regions))
	}
	if f.Smoothed > 0.2 || f.Naive > 0.2 {
		t.Errorf("the errors of the forecast are %v and %v", f.Naive, f.Smoothed)
	}
}
