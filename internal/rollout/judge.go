package rollout

import (
	"fmt"
	"time"
)

// Sample is the requests of a region in some while, by one way to look at them.
type Sample struct {
	Indicator string  // which way
	Bad, All  float64 // requests
}

// rule says that a version is bad when it burns the error budget so many times too fast, both over a long while, so
// that it is no blip, and over a short one, so that it is not over.
type rule struct {
	burn        float64
	long, short time.Duration
}

// rules have the rates of the alerts, over shorter whiles: a bake ends before an hour's alert could fire.
func rules() []rule {
	return []rule{
		{14.4, 5 * time.Minute, time.Minute},
		{6, 30 * time.Minute, 5 * time.Minute},
	}
}

// shortest is how long a region must have served before anything can be said of it.
func shortest() time.Duration { return rules()[0].short }

// longest is the longest while that a rule looks at.
func longest() time.Duration { return rules()[1].long }

// few is how many bad requests may be chance.
const few = 5

// windows returns the whiles that samples are needed of, since a region serves again. A while begins no earlier: what
// happened before is not the version's doing.
func windows(since time.Duration) []time.Duration {
	var out []time.Duration
	for _, r := range rules() {
		if since >= r.short {
			out = append(out, min(r.long, since), r.short)
		}
	}
	return out
}

// Verdict is what samples say of a version.
type Verdict struct {
	Burning bool
	Proven  bool   // by every indicator there were enough requests for a bad version to show
	Text    string // the worst burn rate, and of what
}

// judge says what the samples of each window of windows tell.
func judge(objective float64, since time.Duration, samples map[time.Duration][]Sample) Verdict {
	budget := 1 - objective
	v := Verdict{Text: "no request yet"}
	worst := -1.0
	for _, r := range rules() {
		if since < r.short {
			continue
		}
		long := samples[min(r.long, since)]
		short := samples[r.short]
		proven := len(long) > 0
		for i, x := range long {
			proven = proven && x.All*budget*r.burn >= few
			if x.All == 0 {
				continue
			}
			burn := x.Bad / x.All / budget
			if burn > worst {
				worst = burn
				v.Text = fmt.Sprintf("%s: %.1f times the error budget, %.0f of %.0f requests in %s",
					x.Indicator, burn, x.Bad, x.All, min(r.long, since).Round(time.Second))
			}
			still := i < len(short) && short[i].Bad > r.burn*budget*short[i].All
			v.Burning = v.Burning || burn > r.burn && x.Bad >= few && still
		}
		v.Proven = v.Proven || proven
	}
	return v
}
