package app

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/meridian-commerce/meridian/internal/account"
	"github.com/meridian-commerce/meridian/internal/admission/quota"
)

// signIns returns what counts sign-ins by account, the region's stacks together; nil without a limit.
func (s *stack) signIns() (account.Attempts, error) {
	rate := s.config.Account.SignInRate
	if rate == 0 {
		return nil, nil // as account.Config has it
	}
	policy, err := quota.NewPolicy("account", rate, time.Minute)
	if err != nil {
		return nil, unusable(err)
	}
	// Without metrics: what fails at the region's Redis is counted once in a process, by the cache's client.
	buckets, err := quota.New(quota.Config{Redis: s.config.Redis, Logger: s.telemetry.Logger}, nil)
	if err != nil {
		return nil, unusable(err)
	}
	s.closers.add(func(context.Context) error { return buckets.Close() })
	return func(ctx context.Context, emailHMAC []byte) (time.Duration, bool) {
		v := buckets.TakeRegional(ctx, policy, quota.Key{User: hex.EncodeToString(emailHMAC)})
		return v.RetryAfter, v.Allowed
	}, nil
}
