package cli

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
	"github.com/meridian-commerce/meridian/internal/credentials"
	"github.com/meridian-commerce/meridian/internal/fault"
)

func keysCommand() *cobra.Command {
	parent := &cobra.Command{Use: "keys", Short: "Work on secret keys"}
	var dir string
	generate := &cobra.Command{
		Use: "generate", Short: "Make the keys that every region shares", Args: cobra.NoArgs,
		Long: "Make the keys that every region shares: auth.json signs access tokens (auth.keys_file), directory.key keys the\naccount directory (account.directory_key_file). Files that exist are left alone: losing directory.key loses every sign-in.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return generateKeys(dir, func(path string) { fmt.Fprintln(cmd.OutOrStdout(), path) })
		},
	}
	generate.Flags().StringVar(&dir, "dir", ".", "folder to write to")
	parent.AddCommand(generate, rotateCommand(), publicCommand(), certificatesCommand())
	return parent
}

func publicCommand() *cobra.Command {
	var in, out string
	cmd := &cobra.Command{
		Use: "public", Short: "Write a key set without its private keys", Args: cobra.NoArgs,
		Long: "Write the public keys of auth.json as a JWK set, which is auth.keys_file enough for processes that verify access\ntokens and sign none: " +
			"edges, and stacks without the module account. Whoever reads it can sign nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := token.Load(in)
			if err != nil {
				return fault.Wrap(err, fault.Invalid, "KEYS_UNUSABLE", "the key set --in cannot be used")
			}
			if out != "" {
				return set.SavePublic(out)
			}
			text, err := set.JWKS()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(append(text, '\n'))
			return err
		},
	}
	cmd.Flags().StringVar(&in, "in", "auth.json", "key set that meridian keys generate made")
	cmd.Flags().StringVar(&out, "out", "", "file to write; default: print it")
	return cmd
}

func certificatesCommand() *cobra.Command {
	var out string
	var valid time.Duration
	cmd := &cobra.Command{
		Use: "certificates", Short: "Make a private authority and certificates for mutual TLS, for trials", Args: cobra.NoArgs,
		Long: "Make a private authority (ca.pem, ca.key) and the certificates by which edges and stacks know each other: edge.pem\nand edge.key for " +
			credentials.EdgeName + " (edge.upstream_tls.*), stack.pem and stack.key for " + credentials.StackName + "\n(tls.*). It asks nobody. " +
			"They are for trials: in production something that keeps the authority's key apart\nissues them, such as Vault or cert-manager.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if valid <= 0 {
				return fmt.Errorf("%w: --valid is more than 0", errUsage)
			}
			return credentials.Generate(out, time.Now(), valid, func(path string) { fmt.Fprintln(cmd.OutOrStdout(), path) })
		},
	}
	cmd.Flags().StringVar(&out, "out", ".", "folder to write to; one that holds an authority is left alone")
	cmd.Flags().DurationVar(&valid, "valid", 30*24*time.Hour, "for how long they are valid")
	return cmd
}

func generateKeys(dir string, made func(path string)) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Invalid, "FOLDER_UNUSABLE", "cannot make the folder %s", dir)
	}
	writers := map[string]func(path string) error{
		"auth.json": func(path string) error {
			set, err := token.Generate(clock.System())
			if err != nil {
				return err
			}
			return set.Save(path)
		},
		"directory.key": func(path string) error {
			var secret [32]byte
			_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
			return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(secret[:])+"\n"), 0o600)
		},
	}
	for name, write := range writers {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := write(path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		made(path)
	}
	return nil
}
