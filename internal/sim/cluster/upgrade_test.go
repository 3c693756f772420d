package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/sim/cluster"
)

func TestAFormerReleaseGetsTheKeysThatItKnows(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "meridian")
	help := `#!/bin/sh
echo 'Flags:
      --config string          configuration file (YAML)
  -h, --help                   help for serve
      --database.url string    not --new.key
      --edge.consul strings    each region
      --region string          the region'
`
	if err := os.WriteFile(program, []byte(help), 0o700); err != nil {
		t.Fatal(err)
	}
	keys, err := cluster.KeysOf(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cluster.Render(cluster.Settings{
		"region": "eu-west-1", "new.key": 1, "database.url": "u", "database.newer": 2, "edge.consul": map[string]string{"eu-west-1": "a"},
	}, keys)
	if err != nil {
		t.Fatal(err)
	}
	want := "database:\n    url: u\nedge:\n    consul:\n        eu-west-1: a\nregion: eu-west-1\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := cluster.KeysOf(t.Context(), "true"); err == nil {
		t.Error("a program without keys is accepted")
	}
}

func TestGraceOutlastsTheLeaving(t *testing.T) {
	t.Parallel()
	for _, l := range []cluster.Leave{
		{}, {Stack: cluster.Parting{Delay: time.Second, Timeout: 10 * time.Second}}, {Edge: cluster.Parting{Delay: time.Minute}},
	} {
		for _, p := range []cluster.Parting{l.Stack, l.Edge} {
			if grace := cluster.Grace(l); grace <= p.Delay+p.Timeout {
				t.Errorf("%+v is killed after %v", l, grace)
			}
		}
	}
}

// A process that is stopped by hand leaves as in a deployment.
func TestPartingIsTheProducts(t *testing.T) {
	t.Parallel()
	defaults := map[string]any{}
	for _, k := range config.Keys() {
		defaults[k.Name] = k.Default
	}
	got := cluster.OrDefault(cluster.Parting{})
	if got.Delay != defaults["shutdown.delay"] || got.Timeout != defaults["shutdown.timeout"] || got.Delay <= 0 || got.Timeout <= 0 {
		t.Errorf("%+v; the product has %v and %v", got, defaults["shutdown.delay"], defaults["shutdown.timeout"])
	}
	if given := (cluster.Parting{Delay: time.Minute, Timeout: time.Hour}); cluster.OrDefault(given) != given {
		t.Errorf("%+v", cluster.OrDefault(given))
	}
}
