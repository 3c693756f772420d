package merchant

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/transform"

	"github.com/meridian-commerce/meridian/internal/catalog/sheet"
	"github.com/meridian-commerce/meridian/internal/fault"
)

// attributes is the namespace of the feed's own elements.
const attributes = "http://base.google.com/ns/1.0"

// items reads the items of RSS and the entries of Atom as rows.
type items struct {
	header  *sheet.Header
	in      *bounded
	xml     *xml.Decoder
	decoded bool           // U+FFFD stands where bytes were not of the file's encoding
	columns map[string]int // cells by the names of elements
	err     error          // final
}

// newItems reads up to the root. The error is a *fault.Error when the document is no feed, and else the input's.
func newItems(t *sheet.Text) (*items, error) {
	format := Format()
	names := make([]string, len(format.Columns))
	i := &items{in: &bounded{in: t.In, left: sheet.MaxRecord}, decoded: t.Decoded, columns: map[string]int{}}
	for c, all := range format.Columns {
		for name := range strings.SplitSeq(all, "|") {
			i.columns[name] = c
		}
		names[c], _, _ = strings.Cut(all, "|")
	}
	// In the plain terms of Atom.
	i.columns["summary"], i.columns["content"] = int(descriptionColumn), int(descriptionColumn)
	var err error
	if i.header, err = format.Header(names); err != nil {
		return nil, err
	}
	i.xml = xml.NewDecoder(i.in)
	i.xml.Entity = xml.HTMLEntity
	i.xml.CharsetReader = i.charset
	for {
		token, err := i.xml.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil, format.Refuse("it is empty")
		case err != nil:
			return nil, i.broken(err)
		}
		if root, ok := token.(xml.StartElement); ok {
			if !slices.Contains([]string{"rss", "feed", "RDF", "channel"}, root.Name.Local) {
				return nil, format.Refuse("it is XML whose root is <%s>; that of a feed is <rss> or <feed>", root.Name.Local)
			}
			return i, nil
		}
	}
}

// charset decodes a document that declares its encoding, unless its text was decoded already.
func (i *items) charset(label string, in io.Reader) (io.Reader, error) {
	if i.decoded || strings.HasPrefix(strings.ToLower(label), "utf-16") {
		return in, nil
	}
	named, err := sheet.Encoding(label)
	if err != nil {
		return nil, err
	}
	i.decoded = true
	return transform.NewReader(in, named.NewDecoder()), nil
}

// Next implements sheet.Source.
func (i *items) Next() (sheet.Row, error) {
	for i.err == nil {
		i.in.left = sheet.MaxRecord
		token, err := i.xml.Token()
		if err != nil {
			if i.err = io.EOF; !errors.Is(err, io.EOF) {
				i.err = i.broken(err)
			}
			break
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "item" && start.Name.Local != "entry" {
			continue
		}
		line, _ := i.xml.InputPos()
		cells, err := i.item()
		if err != nil {
			i.err = i.broken(err)
			break
		}
		if i.decoded && slices.ContainsFunc(cells, func(c string) bool { return strings.ContainsRune(c, utf8.RuneError) }) {
			return sheet.Row{}, &sheet.RowError{Line: line, Reason: sheet.ReasonText,
				Message: "the item holds bytes that are not text in the file's encoding"}
		}
		return i.header.Row(line, cells), nil
	}
	return sheet.Row{}, i.err
}

// item reads the elements of an item up to its end. An element that is repeated is a list, with commas between; one of the
// namespace comes before one without, such as RSS's own title.
func (i *items) item() ([]string, error) {
	ours := make([][]string, len(i.header.Cells()))
	plain := make([][]string, len(ours))
	for {
		token, err := i.xml.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.EndElement:
			cells := make([]string, len(ours))
			for at := range cells {
				if cells[at] = strings.Join(ours[at], ","); cells[at] == "" {
					cells[at] = strings.Join(plain[at], ",")
				}
			}
			return cells, nil
		case xml.StartElement:
			text, err := i.text()
			if err != nil {
				return nil, err
			}
			to := ours
			if t.Name.Space != attributes && t.Name.Space != "g" {
				to = plain
			}
			at, known := i.columns[t.Name.Local]
			text = strings.TrimSpace(text)
			switch {
			case text == "":
			case !known:
				i.header.Leave(t.Name.Local)
			case sheet.Column(at) == moreImagesColumn:
				to[at] = append(to[at], strings.ReplaceAll(text, ",", "%2C"))
			default:
				to[at] = append(to[at], text)
			}
		}
	}
}

// text reads an element up to its end, and what is written in it and below.
func (i *items) text() (string, error) {
	var b strings.Builder
	for depth := 1; depth > 0; {
		token, err := i.xml.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			b.Write(t)
		}
	}
	return b.String(), nil
}

// broken makes an error of one of the decoder's. What follows a mistake in XML cannot be told from it, so a feed with one
// is refused as a whole, before anything of it is loaded.
func (i *items) broken(err error) error {
	line, _ := i.xml.InputPos()
	var syntax *xml.SyntaxError
	var refused *fault.Error
	switch {
	case errors.As(err, &syntax):
		return sheet.NotAProductFile("line %d of the feed is not XML in its encoding: %s; nothing is loaded", syntax.Line, syntax.Msg)
	case errors.Is(err, errTooLong):
		return sheet.NotAProductFile("an item up to line %d is longer than %d bytes; nothing is loaded", line, sheet.MaxRecord)
	case errors.As(err, &refused):
		return refused
	}
	return fmt.Errorf("merchant: read line %d: %w", line, err)
}

var errTooLong = errors.New("merchant: an item is too long")

// bounded reads no more bytes than are left.
type bounded struct {
	in   *bufio.Reader
	left int
}

// ReadByte implements io.ByteReader.
func (b *bounded) ReadByte() (byte, error) {
	if b.left--; b.left < 0 {
		return 0, errTooLong
	}
	return b.in.ReadByte()
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
