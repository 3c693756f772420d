package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/config"
	simulator "github.com/meridian-commerce/meridian/internal/sim/cli"
	"github.com/meridian-commerce/meridian/internal/sim/commands"
)

const opening = `# Command line

Written by ` + "`make generate`" + ` from the programs themselves; a test holds it to them. ` + "`--help`" + ` says the same of each
command. A command that fails exits with 1, a misused one with 2.
`

// reference renders the commands of both programs.
func reference() string {
	var out strings.Builder
	out.WriteString(opening)
	for _, root := range []*cobra.Command{cli.Root(), simulator.Root(commands.All()...)} {
		describe(&out, root)
	}
	return out.String()
}

// describe renders a command, then those below it.
func describe(out *strings.Builder, c *cobra.Command) {
	level := strings.Repeat("#", min(2+strings.Count(c.CommandPath(), " "), 4))
	fmt.Fprintf(out, "\n%s `%s`\n\n%s\n", level, strings.TrimPrefix(c.UseLine(), "Usage: "), sentence(c))
	if c.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n"))
	}
	flags(out, c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			describe(out, sub)
		}
	}
}

// sentence returns what a command says of itself, as one paragraph for each of its own.
func sentence(c *cobra.Command) string {
	text := strings.TrimSpace(c.Long)
	if text == "" {
		text = c.Short
	}
	var paragraphs []string
	for p := range strings.SplitSeq(text, "\n\n") {
		p = strings.ReplaceAll(p, "\n", " ")
		if !strings.HasSuffix(p, ".") {
			p += "."
		}
		paragraphs = append(paragraphs, escape(p))
	}
	return strings.Join(paragraphs, "\n\n")
}

// flags renders a command's own flags. Those that are keys of the configuration have a page of their own.
func flags(out *strings.Builder, c *cobra.Command) {
	keys := map[string]bool{}
	for _, k := range config.Keys() {
		keys[k.Name] = true
	}
	configured := false
	var rows []string
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch {
		case f.Hidden || f.Name == "help" || f.Name == "version":
		case f.Name == "config" || keys[f.Name]:
			configured = true
		default:
			rows = append(rows, row(f))
		}
	})
	if len(rows) > 0 {
		fmt.Fprintf(out, "\n| Flag | Default | Meaning |\n|---|---|---|\n%s", strings.Join(rows, ""))
	}
	if configured {
		out.WriteString("\nTakes the [configuration](configuration.md) by `--config`, and each of its keys as a flag.\n")
	}
}

func row(f *pflag.Flag) string {
	value, usage := pflag.UnquoteUsage(f)
	name := "`--" + f.Name + "`"
	if value != "" {
		name = "`--" + f.Name + " " + value + "`"
	}
	standard := f.DefValue
	switch standard {
	case "", "[]", "false", "<nil>":
		standard = ""
	default:
		standard = "`" + standard + "`"
	}
	return fmt.Sprintf("| %s | %s | %s |\n", name, standard, escape(usage))
}

// escape keeps Markdown from taking a text for markup.
func escape(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "[", `\[`, "]", `\]`).Replace(text)
}
