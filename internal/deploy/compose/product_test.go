package compose_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/meridian-commerce/meridian/internal/cli"
	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/regions"
)

// checkProduct holds what the Compose file tells a process of the product to the product's own command line and
// configuration: commands, flags, keys, values, and that whom it is told to talk to is there.
func checkProduct(p *project, s *service, c *regions.Set) []string {
	if !strings.HasPrefix(s.Image, "meridian:") {
		return nil
	}
	if text := checkCommand(s.Command); text != "" {
		return []string{text}
	}
	loaded, err := configuration(s)
	if err != nil {
		return []string{err.Error()}
	}
	catalog, err := loaded.RegionSet()
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	if s.Command[0] != "keys" && s.Command[0] != "sandbox-provider" && !slices.Equal(catalog.Names(), c.Names()) {
		out = append(out, fmt.Sprintf("it knows the regions %v", catalog.Names()))
	}
	if err := loaded.Require(required()[s.Command[0]]...); err != nil {
		out = append(out, err.Error())
	}
	out = append(out, checkKeyFiles(p, s, &loaded)...)
	out = append(out, checkPeers(p, s, &loaded)...)
	switch s.Command[0] {
	case "serve":
		out = append(out, checkStack(p, s, &loaded)...)
	case "edge":
		out = append(out, checkEdge(p, s, &loaded)...)
		if names := slices.Sorted(maps.Keys(loaded.Edge.Consul)); !slices.Equal(names, sortedNames(c)) {
			out = append(out, fmt.Sprintf("it asks the Consul of %v", names))
		}
	}
	return out
}

// required lists the keys that each command does not start without.
func required() map[string][]string {
	return map[string][]string{
		"serve":   {"region", "instance", "database.url", "auth.keys_file", "account.directory_key_file", "kafka.brokers", "payment.provider_url"},
		"edge":    {"region", "instance", "auth.keys_file"},
		"migrate": {"database.url"},
		"seed":    {"database.url"},
	}
}

// checkCommand has the product itself parse a command line.
func checkCommand(command []string) string {
	if len(command) == 0 {
		return "it has no command"
	}
	name := command
	if i := slices.IndexFunc(command, func(s string) bool { return strings.HasPrefix(s, "-") }); i >= 0 {
		name = command[:i]
	}
	var out, errOut bytes.Buffer
	code := cli.Run(context.Background(), append(slices.Clone(command), "--help"), &out, &errOut)
	if code != 0 || !strings.Contains(out.String(), "\n  meridian "+strings.Join(name, " ")+" ") {
		return fmt.Sprintf("meridian %s: exit %d %s", strings.Join(command, " "), code, errOut.String())
	}
	return ""
}

// configuration has the product itself read the configuration of a service.
func configuration(s *service) (config.Config, error) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsWhitelist.UnknownFlags = true // those of the command's own, which checkCommand has seen
	config.AddFlags(flags)
	if err := flags.Parse(s.Command); err != nil {
		return config.Config{}, err
	}
	environ := []string{"MERIDIAN_LISTEN=0.0.0.0:8080", "MERIDIAN_ADMIN_LISTEN=0.0.0.0:9090"} // of the image
	for name, value := range s.Environment {
		if value != nil {
			environ = append(environ, name+"="+*value)
		}
	}
	c, err := config.Load(flags, environ)
	c.RegionsFile = s.onHost(c.RegionsFile)
	return c, err
}

// onHost returns the file of this machine that is mounted at a path of the container.
func (s *service) onHost(file string) string {
	for _, v := range s.Volumes {
		if v.Type == "bind" && v.Target == file {
			return v.Source
		}
	}
	return file
}

// checkKeyFiles wants the keys to be where the jobs that make them put them, and those that sign to be only where
// something is signed.
func checkKeyFiles(p *project, s *service, c *config.Config) []string {
	var out []string
	files := []string{c.Auth.KeysFile, c.Account.DirectoryKeyFile}
	if slices.Equal(s.Command[:min(2, len(s.Command))], []string{"keys", "public"}) {
		files = append(files, flag(s.Command, "--in"))
	}
	if slices.Equal(s.Command[:min(2, len(s.Command))], []string{"keys", "rotate"}) {
		for _, file := range []string{flag(s.Command, "--in"), flag(s.Command, "--public")} {
			if !slices.ContainsFunc(s.Volumes, func(v volume) bool {
				return !v.ReadOnly && v.Target == path.Dir(file) && slices.Contains(made(p)[v.Source], path.Base(file))
			}) {
				out = append(out, "it cannot replace the key "+file)
			}
		}
	}
	for _, file := range files {
		if file != "" && !slices.ContainsFunc(s.Volumes, func(v volume) bool {
			return v.ReadOnly && v.Target == path.Dir(file) && slices.Contains(made(p)[v.Source], path.Base(file))
		}) {
			out = append(out, "nobody makes the key "+file)
		}
	}
	for _, v := range s.Volumes {
		if slices.Contains(made(p)[v.Source], "auth.json") && s.Command[0] != "serve" && s.Command[0] != "keys" {
			out = append(out, "it holds keys that sign access tokens, and signs none")
		}
	}
	return out
}

// made returns the files that jobs put into each volume.
func made(p *project) map[string][]string {
	out := map[string][]string{}
	for _, s := range p.Services {
		var files []string
		switch {
		case len(s.Command) < 2 || s.Command[0] != "keys":
			continue
		case s.Command[1] == "generate":
			dir := flag(s.Command, "--dir")
			files = []string{path.Join(dir, "auth.json"), path.Join(dir, "directory.key")}
		case s.Command[1] == "public":
			files = []string{flag(s.Command, "--out")}
		}
		for _, v := range s.Volumes {
			for _, file := range files {
				if v.Type == "volume" && !v.ReadOnly && path.Dir(file) == v.Target {
					out[v.Source] = append(out[v.Source], path.Base(file))
				}
			}
		}
	}
	return out
}

// flag returns the value that follows a flag; "" where there is none.
func flag(command []string, name string) string {
	if i := slices.Index(command, name); i >= 0 && i+1 < len(command) {
		return command[i+1]
	}
	return ""
}

// ports lists where the servers of each image listen.
func ports() map[string]string {
	return map[string]string{
		"valkey/valkey": "6379", "apache/kafka": "9092", "hashicorp/consul": "8500", "cockroachdb/cockroach": "26257", "postgres": "5432",
		"meridian": "8080", "otel/opentelemetry-collector-contrib": "4318",
	}
}

// checkPeers wants a server to listen at each address that the process is told. Of the nodes of a database, one is
// enough.
func checkPeers(p *project, s *service, c *config.Config) []string {
	peers := append([]string{c.Consul.Address, c.Redis.Address, hostOf(c.Payment.ProviderURL), hostOf(c.OTLPEndpoint)}, c.Kafka.Brokers...)
	peers = append(peers, slices.Collect(maps.Values(c.Edge.Consul))...)
	var out []string
	for _, peer := range peers {
		if peer != "" && !p.listens(s, peer) {
			out = append(out, "nobody listens at "+peer)
		}
	}
	if nodes := hostOf(c.Database.URL); nodes != "" && !slices.ContainsFunc(strings.Split(nodes, ","), func(n string) bool { return p.listens(s, n) }) {
		out = append(out, "no database listens at "+nodes)
	}
	return out
}

func (p *project) listens(s *service, address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(p.at(s, host), func(other *service) bool {
		image, _, _ := strings.Cut(other.Image, ":")
		return ports()[image] == port
	})
}

// hostOf returns the hosts of a URL, which may be several with commas.
func hostOf(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	if u, err := url.Parse(text); err == nil {
		return u.Host
	}
	rest = rest[strings.LastIndex(rest, "@")+1:]
	hosts, _, _ := strings.Cut(rest, "/")
	return hosts
}

// checkEdge wants an edge to be listed, for whoever rotates keys, by a Consul that can ask for its health.
func checkEdge(p *project, s *service, c *config.Config) []string {
	if c.Consul.Address == "" {
		return []string{"no Consul lists it"}
	}
	return checkHealth(p, s, c)
}

func checkHealth(p *project, s *service, c *config.Config) []string {
	admin, _, _ := net.SplitHostPort(c.AdminListen)
	if there := p.network(s).Networks[string(c.Region)]; there == nil || there.Address.String() != admin {
		return []string{"Consul cannot ask for its health at " + c.AdminListen}
	}
	return nil
}

// checkStack wants a stack to be where it says that it is: its admin port where the region's Consul asks for its
// health, its API on the wide area network.
func checkStack(p *project, s *service, c *config.Config) []string {
	out := checkHealth(p, s, c)
	here := p.network(s).Networks
	api, port, _ := net.SplitHostPort(c.Advertise)
	_, listen, _ := net.SplitHostPort(c.Listen)
	if there := here["wan"]; there == nil || there.Address.String() != api || port != listen {
		out = append(out, "edges cannot reach it at "+c.Advertise)
	}
	return out
}

func sortedNames(c *regions.Set) []string {
	var out []string
	for _, n := range c.Names() {
		out = append(out, string(n))
	}
	slices.Sort(out)
	return out
}
