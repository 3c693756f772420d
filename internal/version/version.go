// Package version says which build this is. The linker stamps it; a build without stamps falls back to what
// the Go toolchain recorded. Nothing changes after start-up.
package version

import (
	"cmp"
	"runtime/debug"
	"strings"
)

// Stamped by -ldflags '-X …/internal/version.Commit=…'. Read them through Info.
var (
	Commit  string // abbreviated commit, with -dirty for a changed tree
	Version string // release, such as v1.4.0
)

// Build identifies a build. Its fields are never empty.
type Build struct {
	Version string
	Commit  string
	Go      string // toolchain, such as go1.26.0
}

// Info returns the running build.
func Info() Build {
	recorded, _ := debug.ReadBuildInfo()
	return identify(Version, Commit, recorded)
}

// String returns the running build for people: v1.4.0 (3f2a9c1b04de, go1.26.0).
func String() string { return Info().String() }

// String renders a build for people.
func (b Build) String() string { return b.Version + " (" + b.Commit + ", " + b.Go + ")" }

func identify(version, commit string, recorded *debug.BuildInfo) Build {
	if recorded == nil {
		recorded = &debug.BuildInfo{}
	}
	settings := map[string]string{}
	for _, s := range recorded.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if len(revision) > 12 {
		revision = revision[:12]
	}
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += "-dirty"
	}
	module := strings.Trim(recorded.Main.Version, "()") // "(devel)" in a build from a work tree
	return Build{
		Version: cmp.Or(version, module, "devel"),
		Commit:  cmp.Or(commit, revision, "unknown"),
		Go:      cmp.Or(recorded.GoVersion, "unknown"),
	}
}
