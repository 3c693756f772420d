package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/config"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// maxReadiness bounds what is read of a readiness report, in bytes.
const maxReadiness = 64 << 10

func healthCommand() *cobra.Command {
	var timeout time.Duration
	cmd := configured(&cobra.Command{
		Use: "health", Short: "Ask the process at admin_listen whether it wants work", Args: cobra.NoArgs,
		Long: "Ask the process at admin_listen for /readyz, for health checks in images without a shell. It reads the configuration\nof that process. The exit code is 0 when it is ready and 1 when it is not, drains, or does not answer.",
	}, func(cmd *cobra.Command, _ []string, c config.Config) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
		defer cancel()
		return askReadiness(ctx, cmd.OutOrStdout(), c.AdminListen)
	})
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for the answer")
	return cmd
}

// askReadiness prints the answer of the process whose admin listener has that address, and fails when it is not ready.
func askReadiness(ctx context.Context, out io.Writer, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "admin_listen %q is not host:port", listen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost" // it listens on every address, this one too
	}
	address := net.JoinHostPort(host, port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", http.NoBody)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "CONFIG_INVALID", "admin_listen %q makes no URL", listen)
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a proxy of the environment is for others
	resp, err := direct.Do(req)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "NO_ANSWER", "nothing answers at %s", address)
	}
	defer func() { _ = resp.Body.Close() }() // only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReadiness))
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, "NO_ANSWER", "the answer of %s broke off", address)
	}
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "NOT_READY", "%s answers %d: %s", address, resp.StatusCode, reasons(body))
	}
	_, err = fmt.Fprintln(out, reasons(body)) // ready, or degraded and why
	return err
}

// reasons renders a readiness report on one line: the status and each check that failed.
func reasons(body []byte) string {
	var report struct {
		Status string `json:"status"`
		Checks map[string]struct {
			OK    bool   `json:"ok"`
			Error string `json:"error"`
		} `json:"checks"`
	}
	if err := json.Unmarshal(body, &report); err != nil || report.Status == "" {
		return "no readiness report"
	}
	parts := []string{report.Status}
	for _, name := range slices.Sorted(maps.Keys(report.Checks)) {
		if c := report.Checks[name]; !c.OK {
			parts = append(parts, name+": "+c.Error)
		}
	}
	return strings.Join(parts, "; ")
}
