package cli

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/meridian-commerce/meridian/internal/account/token"
	"github.com/meridian-commerce/meridian/internal/clock"
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
	parent.AddCommand(generate)
	return parent
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
