package capacity

import (
	"math"
	"time"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Forecast is what the past says of the days to come.
type Forecast struct {
	Method    Method  `json:"method"` // the one of the least error
	Days      int     `json:"days"`   // of the past
	Until     string  `json:"until"`  // the last day of the past
	Backtest  int     `json:"backtest_days"`
	Naive     float64 `json:"seasonal_naive_mape"` // mean absolute percentage error, a part of 1
	Smoothed  float64 `json:"holt_winters_mape"`
	Horizon   int     `json:"horizon_days"`
	Mean      float64 `json:"mean_orders_per_day"`
	Peak      float64 `json:"peak_orders_per_day"`
	PeakDay   string  `json:"peak_day"`
	PastPeak  float64 `json:"past_peak_orders_per_day"`
	PastDay   string  `json:"past_peak_day"`
	Predicted []Day   `json:"-"`
}

// Method is a way to forecast.
type Method string

// The methods.
const (
	SeasonalNaive Method = "seasonal naive" // each day is like the same day of the last week
	HoltWinters   Method = "Holt-Winters"   // level, trend and week, each exponentially smoothed, added up
)

const (
	week        = 7
	fewestDays  = 6 * week // two weeks to start from, two to learn from, two to test with
	mostHorizon = 400
)

// Predict forecasts so many days by the method that would have been nearer to the last weeks of the past: these are
// left out, forecast from what comes before, and compared. Its errors are fault.Invalid FORECAST_INVALID.
func Predict(t Traffic, horizon int) (Forecast, error) {
	wrong := func(format string, args ...any) (Forecast, error) {
		return Forecast{}, fault.New(fault.Invalid, "FORECAST_INVALID", format, args...)
	}
	if horizon < 1 || horizon > mostHorizon {
		return wrong("a forecast is for 1 to %d days, not %d", mostHorizon, horizon)
	}
	if len(t.Days) < fewestDays {
		return wrong("a forecast takes the traffic of %d days at least, and there are %d", fewestDays, len(t.Days))
	}
	past := make([]float64, len(t.Days))
	f := Forecast{Days: len(past), Horizon: horizon, Until: t.Days[len(past)-1].Date.Format(time.DateOnly)}
	for i, d := range t.Days {
		past[i] = d.Orders
		if d.Orders > f.PastPeak || i == 0 {
			f.PastPeak = d.Orders
			f.PastDay = d.Date.Format(time.DateOnly)
		}
	}
	f.Backtest = min(4*week, len(past)/3/week*week)
	known := past[:len(past)-f.Backtest]
	held := past[len(past)-f.Backtest:]
	var ok bool
	if f.Naive, ok = mape(held, naive(known, f.Backtest)); !ok {
		return wrong("nothing was ordered in the last %d days", f.Backtest)
	}
	f.Smoothed, _ = mape(held, holtWinters(known, f.Backtest))
	f.Method = SeasonalNaive
	predicted := naive(past, horizon)
	if f.Smoothed < f.Naive {
		f.Method = HoltWinters
		predicted = holtWinters(past, horizon)
	}
	for i, orders := range predicted {
		date := t.Days[len(past)-1].Date.AddDate(0, 0, i+1)
		f.Predicted = append(f.Predicted, Day{date, orders})
		f.Mean += orders / float64(horizon)
		if orders > f.Peak || i == 0 {
			f.Peak = orders
			f.PeakDay = date.Format(time.DateOnly)
		}
	}
	round(4, &f.Naive, &f.Smoothed)
	cents(&f.Mean, &f.Peak)
	return f, nil
}

// naive repeats the last week.
func naive(past []float64, horizon int) []float64 {
	out := make([]float64, horizon)
	for i := range out {
		out[i] = past[len(past)-week+i%week]
	}
	return out
}

// mape is the mean absolute percentage error over the days that are not zero, a part of 1; false if all are.
func mape(actual, predicted []float64) (float64, bool) {
	sum := 0.0
	n := 0
	for i, a := range actual {
		if a > 0 {
			sum += math.Abs(predicted[i]-a) / a
			n++
		}
	}
	return sum / float64(max(1, n)), n > 0
}

// smoothing is a state of additive Holt-Winters.
type smoothing struct {
	alpha, beta, gamma float64
	level, trend       float64
	season             [week]float64
}

// holtWinters forecasts with the smoothing constants that were nearest to the past, one day ahead each time. No day
// has fewer than no orders.
func holtWinters(past []float64, horizon int) []float64 {
	var best smoothing
	least := math.Inf(1)
	for _, alpha := range []float64{0.05, 0.1, 0.2, 0.4, 0.7} {
		for _, beta := range []float64{0, 0.02, 0.1, 0.3} {
			for _, gamma := range []float64{0.05, 0.15, 0.4} {
				s := smoothing{alpha: alpha, beta: beta, gamma: gamma}
				if missed := s.learn(past); missed < least {
					least = missed
					best = s
				}
			}
		}
	}
	out := make([]float64, horizon)
	for i := range out {
		out[i] = max(0, best.ahead(len(past), i+1))
	}
	return out
}

// learn starts from the first two weeks and goes through the others. It returns the sum of the squared misses.
func (s *smoothing) learn(past []float64) float64 {
	first := mean(past[:week])
	second := mean(past[week : 2*week])
	s.trend = (second - first) / week
	s.level = second + s.trend*(week-1)/2
	for i := range s.season {
		s.season[i] = (past[i] - first + past[week+i] - second) / 2
	}
	missed := 0.0
	for t := 2 * week; t < len(past); t++ {
		expected := s.ahead(t, 1)
		missed += (past[t] - expected) * (past[t] - expected)
		season := &s.season[t%week]
		level := s.alpha*(past[t]-*season) + (1-s.alpha)*(s.level+s.trend)
		s.trend = s.beta*(level-s.level) + (1-s.beta)*s.trend
		*season = s.gamma*(past[t]-level) + (1-s.gamma)**season
		s.level = level
	}
	return missed
}

// ahead forecasts the h-th day after n days.
func (s *smoothing) ahead(n, h int) float64 {
	return s.level + float64(h)*s.trend + s.season[(n+h-1)%week]
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// OrdersPerSecond is the rate at the peak of the busiest day that is forecast.
func (f Forecast) OrdersPerSecond(peakToMean float64) float64 { return f.Peak / 86400 * peakToMean }
