package cluster_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	got := cluster.Only(cluster.Settings{
		"region": "eu-west-1", "new": cluster.Settings{"key": 1}, "database": cluster.Settings{"url": "u", "newer": 2},
		"edge": cluster.Settings{"consul": cluster.Settings{"eu-west-1": "a"}},
	}, "", keys)
	want := cluster.Settings{
		"region": "eu-west-1", "database": cluster.Settings{"url": "u"}, "edge": cluster.Settings{"consul": cluster.Settings{"eu-west-1": "a"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
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
