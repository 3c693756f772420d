package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// ErrFormat is wrapped by every error about a stored hash that is not an argon2id PHC string within bounds.
var ErrFormat = errors.New("password: not an argon2id hash")

// params are argon2id's costs.
type params struct {
	memory  uint32 // KiB
	time    uint32 // passes
	threads uint8
}

// Bounds of what a stored hash may ask for, so that a damaged row cannot exhaust the machine.
const (
	maxMemory  = 256 * 1024 // KiB
	maxTime    = 16
	maxThreads = 16

	minSalt, maxSalt = 8, 64 // bytes
	minKey, maxKey   = 16, 64
)

// parsed is a PHC string's content.
type parsed struct {
	params
	salt, key []byte
}

var encoding = base64.RawStdEncoding.Strict() // the PHC format's "B64"

// String renders the PHC string: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
func (p parsed) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		encoding.EncodeToString(p.salt), encoding.EncodeToString(p.key))
}

// parse reads what String writes, and nothing that is spelled otherwise. Errors wrap ErrFormat and show
// nothing of the hash.
func parse(hash string) (parsed, error) {
	fields := strings.Split(hash, "$")
	if len(fields) != 6 || fields[0] != "" || fields[1] != "argon2id" {
		return parsed{}, fmt.Errorf("%w: it has not the form $argon2id$v=…$m=…,t=…,p=…$salt$hash", ErrFormat)
	}
	if fields[2] != "v="+strconv.Itoa(argon2.Version) {
		return parsed{}, fmt.Errorf("%w: only version %d is known", ErrFormat, argon2.Version)
	}
	p, err := parseParams(fields[3])
	if err != nil {
		return parsed{}, err
	}
	salt, errSalt := encoding.DecodeString(fields[4])
	key, errKey := encoding.DecodeString(fields[5])
	if errSalt != nil || errKey != nil || strings.ContainsAny(hash, "\r\n") { // which base64 skips
		return parsed{}, fmt.Errorf("%w: salt or hash is not base64", ErrFormat)
	}
	if len(salt) < minSalt || len(salt) > maxSalt || len(key) < minKey || len(key) > maxKey {
		return parsed{}, fmt.Errorf("%w: a salt of %d and a hash of %d bytes", ErrFormat, len(salt), len(key))
	}
	return parsed{params: p, salt: salt, key: key}, nil
}

func parseParams(s string) (params, error) {
	costs := strings.Split(s, ",")
	if len(costs) != 3 {
		return params{}, fmt.Errorf("%w: the costs are not m, t and p", ErrFormat)
	}
	memory, errM := parseCost(costs[0], "m=", maxMemory)
	passes, errT := parseCost(costs[1], "t=", maxTime)
	threads, errP := parseCost(costs[2], "p=", maxThreads)
	if err := errors.Join(errM, errT, errP); err != nil {
		return params{}, err
	}
	if memory < 8*threads {
		return params{}, fmt.Errorf("%w: m is under 8 KiB a thread", ErrFormat)
	}
	return params{memory: memory, time: passes, threads: uint8(threads)}, nil
}

// parseCost reads name=value, where value is a decimal from 1 to limit without sign and leading zeros.
func parseCost(s, name string, limit uint32) (uint32, error) {
	digits, ok := strings.CutPrefix(s, name)
	v, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || v < 1 || v > uint64(limit) || digits[0] == '0' {
		return 0, fmt.Errorf("%w: %s is not 1 to %d", ErrFormat, strings.TrimSuffix(name, "="), limit)
	}
	return uint32(v), nil
}
