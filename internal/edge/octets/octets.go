// Package octets scans the text of HTTP/1.1 messages. It guarantees that what it passes over has no byte that could end
// a line or mean something to a parser: nothing but visible ASCII, spaces and tabs.
package octets

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// LineEnd returns where, from an index on, the first byte is that may not stand in a line: a control character but a
// tab, or one that is no ASCII; the length of b if there is none.
func LineEnd[T string | []byte](b T, at int) int {
	for at < len(b) {
		// Eight at a time. A byte that is less than a space borrows into its high bit, and 0x7f carries into its own.
		for at+8 <= len(b) {
			w := uint64(b[at]) | uint64(b[at+1])<<8 | uint64(b[at+2])<<16 | uint64(b[at+3])<<24 |
				uint64(b[at+4])<<32 | uint64(b[at+5])<<40 | uint64(b[at+6])<<48 | uint64(b[at+7])<<56
			if ((w-' '*ones)|w|(w+ones))&highs != 0 {
				break
			}
			at += 8
		}
		for end := min(at+8, len(b)); at < end; at++ {
			if c := b[at]; c < ' ' && c != '\t' || c >= 0x7f {
				return at
			}
		}
	}
	return at
}
