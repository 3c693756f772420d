package admission

import (
	"net/http"
	"strconv"
	"time"

	"github.com/meridian-commerce/meridian/internal/admission/quota"
)

// The limits, as metrics and headers name them.
const (
	policyUser     = "user"
	policyAddress  = "address"
	policySignIn   = "sign_in"
	policyCheckout = "checkout"
)

// The header fields of draft-ietf-httpapi-ratelimit-headers, as net/http writes them.
const (
	headerPolicy = "Ratelimit-Policy"
	headerLimit  = "Ratelimit"
)

// policies are the limits that are on; the others are nil.
type policies struct {
	user, address, signIn, checkout *quota.Policy

	headers map[*quota.Policy][]string // each one's RateLimit-Policy field
}

func newPolicies(cfg Config) (p policies, err error) {
	p.headers = map[*quota.Policy][]string{}
	for _, one := range []struct {
		to     **quota.Policy
		name   string
		rate   int
		window time.Duration
		burst  int
	}{
		{&p.user, policyUser, cfg.UserRate, time.Second, 2},
		{&p.address, policyAddress, cfg.AddressRate, time.Second, 2},
		{&p.signIn, policySignIn, cfg.SignInRate, time.Minute, 1},
		{&p.checkout, policyCheckout, cfg.CheckoutRate, time.Minute, 1},
	} {
		if one.rate == 0 {
			continue
		}
		if *one.to, err = quota.NewPolicy(one.name, one.burst*one.rate, time.Duration(one.burst)*one.window); err != nil {
			return policies{}, err
		}
		p.headers[*one.to] = []string{(*one.to).Header()}
	}
	return p, nil
}

// stamp sets the answer's RateLimit fields to the limit that the caller is nearest to.
func (p *policies) stamp(h http.Header, v quota.Verdict) {
	h[headerPolicy] = p.headers[v.Policy]
	text := make([]byte, 0, 40)
	text = append(append(append(text, '"'), v.Policy.Name()...), `";r=`...)
	text = append(strconv.AppendInt(text, int64(v.Remaining), 10), ";t="...)
	h[headerLimit] = []string{string(strconv.AppendInt(text, seconds(v.Reset), 10))}
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
