package shopify

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// window is how much of a file tells its encoding, its line breaks and its separator.
const window = 64 << 10

// text is a file in UTF-8 whose lines end with a line feed.
type text struct {
	in        *bufio.Reader
	separator byte
	decoded   bool // U+FFFD stands where bytes were not of the file's encoding
}

// open reads a file in the encoding of its byte order mark, in the named one, or in UTF-8.
func open(in io.Reader, encoding string) (text, error) {
	t := text{in: bufio.NewReaderSize(in, window)}
	decoder := transform.Transformer(nil)
	start, _ := t.in.Peek(4)
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return t, notExport("it is a spreadsheet or an archive; export or save it as CSV")
	case bytes.HasPrefix(start, []byte("\uFEFF")):
		_, _ = t.in.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), len(start) > 1 && start[1] == 0:
		decoder = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
	case bytes.HasPrefix(start, []byte("\xfe\xff")), len(start) > 1 && start[0] == 0:
		decoder = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()
	case encoding != "":
		named, err := htmlindex.Get(encoding)
		if err != nil {
			return t, fault.New(fault.Invalid, "UNKNOWN_ENCODING", "%q is no known encoding; such are windows-1252, shift_jis and gbk", encoding)
		}
		decoder = named.NewDecoder()
	}
	if decoder != nil {
		t.transform(decoder)
	}
	start, _ = t.in.Peek(window)
	header := start[:max(0, bytes.IndexAny(start, "\r\n"))]
	t.separator = ','
	for _, c := range []byte{';', '\t'} {
		if bytes.Count(header, []byte{c}) > bytes.Count(header, []byte{t.separator}) {
			t.separator = c
		}
	}
	if len(header) > 0 && bytes.IndexByte(start, '\n') < 0 {
		t.transform(runes.Map(func(r rune) rune {
			if r == '\r' { // of an old Macintosh, which csv does not know
				return '\n'
			}
			return r
		}))
	}
	return t, nil
}

func (t *text) transform(by transform.Transformer) {
	t.in, t.decoded = bufio.NewReaderSize(transform.NewReader(t.in, by), window), true
}
