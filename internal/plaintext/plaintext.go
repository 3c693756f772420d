// Package plaintext is about texts that people read as one line and take for what they look like: names and titles.
package plaintext

import "unicode"

// Deceives reports whether a character makes a text look like another, or more than one line: controls, separators, and
// those that override or embed a direction (UTR 36). Marks of a direction, as names in right-to-left scripts have, do not.
func Deceives(c rune) bool {
	return unicode.IsControl(c) || '\u2028' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069'
}
