package version

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	recorded := func(module, revision, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: module}, Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified},
		}}
	}
	for _, c := range []struct {
		name            string
		version, commit string
		recorded        *debug.BuildInfo
		want            Build
	}{
		{"stamps win", "v1.4.0", "abc-dirty", recorded("v9.9.9", "ffff", "false"), Build{"v1.4.0", "abc-dirty", "go1.26.0"}},
		{"recorded", "", "", recorded("v1.2.3", "0123456789abcdef0123", "false"), Build{"v1.2.3", "0123456789ab", "go1.26.0"}},
		{"changed tree", "", "", recorded("(devel)", "0123456789abcdef0123", "true"), Build{"devel", "0123456789ab-dirty", "go1.26.0"}},
		{"nothing known", "", "", nil, Build{"devel", "unknown", "unknown"}},
	} {
		if diff := cmp.Diff(c.want, identify(c.version, c.commit, c.recorded)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestStringNamesToolchain(t *testing.T) {
	t.Parallel()
	if got := String(); !strings.Contains(got, runtime.Version()) {
		t.Errorf("String() = %q, want it to name %s", got, runtime.Version())
	}
}
