package cli

import "github.com/spf13/cobra"

func routeCommand() *cobra.Command   { return &cobra.Command{Use: "route"} }
func auditCommand() *cobra.Command   { return &cobra.Command{Use: "audit"} }
func sandboxCommand() *cobra.Command { return &cobra.Command{Use: "sandbox-provider"} }
