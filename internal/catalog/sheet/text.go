package sheet

import (
	"bufio"
	"bytes"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"github.com/meridian-commerce/meridian/internal/fault"
)

// Window is how much of a file tells its encoding, its line breaks, its separator and its format.
const Window = 64 << 10

// Text is a file in UTF-8 whose lines end with a line feed.
type Text struct {
	In        *bufio.Reader
	Decoded   bool // U+FFFD stands where bytes were not of the file's encoding
	separator byte
}

// NewText reads a file in the encoding of its byte order mark, in the named one, or in UTF-8. The error is a *fault.Error.
func NewText(in io.Reader, name string) (*Text, error) {
	t := &Text{In: bufio.NewReaderSize(in, Window), separator: ','}
	decoder := transform.Transformer(nil)
	start, _ := t.In.Peek(4)
	switch {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		return nil, NotAProductFile("the file is a spreadsheet or an archive; export or save it as CSV")
	case bytes.HasPrefix(start, []byte("\uFEFF")):
		_, _ = t.In.Discard(3)
	case bytes.HasPrefix(start, []byte("\xff\xfe")), len(start) > 1 && start[1] == 0:
		decoder = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
	case bytes.HasPrefix(start, []byte("\xfe\xff")), len(start) > 1 && start[0] == 0:
		decoder = unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()
	case name != "":
		named, err := Encoding(name)
		if err != nil {
			return nil, err
		}
		decoder = named.NewDecoder()
	}
	if decoder != nil {
		t.transform(decoder)
	}
	start, _ = t.In.Peek(Window)
	start = bytes.TrimLeft(start, "\r\n")
	header := start[:max(0, bytes.IndexAny(start, "\r\n"))]
	for _, c := range []byte{';', '\t'} {
		if bytes.Count(header, []byte{c}) > bytes.Count(header, []byte{t.separator}) {
			t.separator = c
		}
	}
	if end := bytes.TrimLeft(start[len(header):], "\r"); len(header) > 0 && !bytes.HasPrefix(end, []byte("\n")) {
		t.transform(runes.Map(func(r rune) rune {
			if r == '\r' { // of an old Macintosh, which csv does not know
				return '\n'
			}
			return r
		}))
	}
	return t, nil
}

// Encoding returns the encoding that HTML has a name for. The error is a *fault.Error.
func Encoding(name string) (encoding.Encoding, error) {
	named, err := htmlindex.Get(name)
	if err != nil {
		return nil, fault.New(fault.Invalid, "UNKNOWN_ENCODING", "%q is no known encoding; such are windows-1252, shift_jis and gbk", name)
	}
	return named, nil
}

// IsXML reports whether the text begins as XML does.
func (t *Text) IsXML() bool {
	start, _ := t.In.Peek(Window)
	return bytes.HasPrefix(bytes.TrimSpace(start), []byte("<"))
}

func (t *Text) transform(by transform.Transformer) {
	t.In, t.Decoded = bufio.NewReaderSize(transform.NewReader(t.In, by), Window), true
}

// Twice returns what opens a file's text: from where the file stands the first time, and from its beginning after that.
func Twice(in io.ReadSeeker, encoding string) func() (*Text, error) {
	begun := false
	return func() (*Text, error) {
		if begun {
			if err := Rewind(in); err != nil {
				return nil, err
			}
		}
		begun = true
		return NewText(in, encoding)
	}
}

// Rewind goes back to the beginning of a file. The error is a *fault.Error.
func Rewind(in io.Seeker) error {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return readOnce(err)
	}
	return nil
}

// Again returns what reads a file from its beginning, of which something was read or not, and can do so twice. The error is
// a *fault.Error.
func Again(in io.Reader, begun bool) (io.ReadSeeker, error) {
	file, ok := in.(io.ReadSeeker)
	if !ok {
		return nil, readOnce(nil)
	}
	if begun {
		return file, Rewind(file)
	}
	return file, nil
}

func readOnce(err error) error {
	return fault.Wrap(err, fault.Invalid, "FILE_READ_ONCE", "a file of this format is read twice, which a pipe cannot be; store it first")
}
