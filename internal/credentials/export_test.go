package credentials

import "errors"

// Reload takes up new files now, as Watch does every ten seconds.
func (i *Identity) Reload() error {
	_, err := i.files.Reload()
	_, pairErr := i.pair.files.Reload()
	return errors.Join(err, pairErr)
}
