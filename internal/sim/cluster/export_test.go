package cluster

// Bare leaves out what the meridian program runs, for tests of the rest.
func Bare(o Options) Options {
	o.bare = true
	return o
}

// Internals, for the tests.
var (
	CheckAddresses = checkAddresses
	Addresses      = addresses
	Holder         = holder
	OpenState      = openState
	KeysOf         = keysOf
	Render         = render
	Grace          = Leave.grace
	OrDefault      = Parting.orDefault
)

// Settings are what a configuration file says.
type Settings = settings

// Release gives the folder back.
func (s *stateDir) Release() { s.release() }
