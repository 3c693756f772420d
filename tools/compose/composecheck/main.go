// Command composecheck resolves Compose files with the library that docker compose is made of, and prints the project as
// JSON. It is strict: what the library warns of is an error too, and so is a variable that has no default.
//
//	composecheck [-profile NAME]... FILE [OVERRIDE]...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/sirupsen/logrus"
)

// names is a flag that may be given more than once.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(value string) error {
	*n = append(*n, value)
	return nil
}

func main() {
	var profiles names
	flag.Var(&profiles, "profile", "profile to enable; may be repeated")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, profiles, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "composecheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, profiles, files []string) error {
	if len(files) == 0 {
		return errors.New("name a Compose file")
	}
	warned := &warnings{}
	logrus.AddHook(warned)
	logrus.SetOutput(io.Discard)
	options, err := cli.NewProjectOptions(files, cli.WithInterpolation(true), cli.WithNormalization(true),
		cli.WithConsistency(true), cli.WithResolvedPaths(true), cli.WithProfiles(profiles))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(ctx)
	if err != nil {
		return err
	}
	if len(warned.lines) > 0 {
		return errors.New(strings.Join(warned.lines, "\n"))
	}
	if len(project.Services) == 0 {
		return fmt.Errorf("no service is in the profiles %q", profiles)
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	return err
}

// warnings keeps what the library logs.
type warnings struct{ lines []string }

func (*warnings) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

func (w *warnings) Fire(e *logrus.Entry) error {
	w.lines = append(w.lines, e.Message)
	return nil
}
