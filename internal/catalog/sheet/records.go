package sheet

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxRecord bounds the bytes of one record or item, and with it the memory that a quote without an end can take.
const MaxRecord = 1 << 20

// records splits a file into CSV records and recovers after malformed ones.
//
// A record ends at the first line break after an even number of quotes. When the lines that were gathered so
// turn out to be no record, most often a quote that nobody closed has swallowed the good rows that follow. So only
// the lines up to the first one that looks like a row of its own are given up, and reading goes on there.
// Every line is looked at twice at most: the lines inside such a span hold an even number of quotes each, so that
// none of them opens another.
//
// Where tabs separate, as few programs quote as write a quote for an inch. So there only cells that begin with a quote
// are quoted, and all other quotes stand for themselves.
type records struct {
	*Text
	pending []byte // lines to be read again before more of In
	line    int    // physical lines read so far
	width   int    // cells that a record must have; 0: any
	key     int    // at which of them stands what isKey knows
	isKey   func(string) bool
	unended int // the line up to which no line ends a quote that was opened before it, where tabs separate
	buf     []byte
	record  *bufio.Reader
}

// span is the lines that should make one record.
type span struct {
	text  []byte // valid until the next span is read
	first int    // physical line number
	lines int
	large bool // over MaxRecord; cut there
	open  bool // by a quote that nothing ends, where tabs separate
}

// next returns the next record that is not empty and the line on which it begins.
// Errors are *RowError (the reading can go on), io.EOF, or the input's.
func (r *records) next() ([]string, int, error) {
	for {
		s, err := r.read()
		if err != nil {
			return nil, 0, err
		}
		if len(bytes.TrimSpace(s.text)) == 0 {
			continue
		}
		cells, badLine, bad := r.parse(s)
		switch {
		case bad != nil:
			r.resume(s, badLine)
			return nil, 0, bad
		case !blank(cells):
			return cells, s.first, nil
		}
	}
}

// read gathers the lines of one record.
func (r *records) read() (span, error) {
	s := span{text: r.buf[:0], first: r.line + 1}
	for open := false; ; {
		start := len(s.text)
		var err error
		s.text, err = r.appendLine(s.text)
		r.buf = s.text
		switch {
		case errors.Is(err, io.EOF) && s.lines > 0: // a quote is open to the end of the file
			s.open, r.unended = r.separator == '\t', r.line
			return s, nil
		case err != nil:
			return span{}, err
		}
		r.line++
		s.lines++
		open = r.quoteOpen(s.text[start:], open)
		s.large = len(s.text) > MaxRecord
		s.open = open && r.separator == '\t' && r.line < r.unended
		switch {
		case s.large:
			r.unended = max(r.unended, r.line)
			return s, nil
		case !open, s.open:
			return s, nil
		}
	}
}

// appendLine appends the next line with its line break to b. Of a line over MaxRecord it keeps the start,
// one byte more than the limit. The error is io.EOF only when nothing was left.
func (r *records) appendLine(b []byte) ([]byte, error) {
	if len(r.pending) > 0 {
		line := firstLine(r.pending)
		r.pending = r.pending[len(line):]
		return append(b, line...), nil
	}
	start := len(b)
	found := false
	for {
		part, err := r.In.ReadSlice('\n')
		found = found || len(part) > 0
		room := start + MaxRecord + 1 - len(b)
		b = append(b, part[:min(room, len(part))]...)
		switch {
		case err == nil && len(part) > room:
			return append(b, '\n'), nil
		case err == nil, errors.Is(err, io.EOF) && found:
			return b, nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		default:
			return b, err
		}
	}
}

// parse reads a span as one record. If it is none, badLine is the physical line at which that showed.
func (r *records) parse(s span) (cells []string, badLine int, bad error) {
	if s.large {
		return nil, s.first + s.lines - 1, &RowError{Line: s.first, Reason: ReasonTooLong,
			Message: fmt.Sprintf("the row is longer than %d bytes, or a quoted cell in it is not closed", MaxRecord)}
	}
	if s.open { // csv would take it for closed
		return nil, s.first + s.lines - 1, &RowError{Line: s.first, Reason: ReasonMalformed,
			Message: "a quoted cell is not closed; close it, or leave its first quote away"}
	}
	text := s.text
	if r.separator == '\t' {
		text = requote(text)
	}
	if r.record == nil {
		r.record = bufio.NewReader(nil)
	}
	r.record.Reset(bytes.NewReader(text))
	reader := csv.NewReader(r.record) // which takes it as it is, rather than a buffer of its own for each record
	reader.FieldsPerRecord = -1
	reader.Comma = rune(r.separator)
	cells, err := reader.Read()
	if err != nil {
		return nil, s.first + errorLine(err) - 1, malformed(s, err)
	}
	if r.Decoded && bytes.ContainsRune(s.text, utf8.RuneError) {
		return nil, s.first, &RowError{Line: s.first, Reason: ReasonText, Message: "the row holds bytes that are not text in the file's encoding"}
	}
	if r.width > 0 && len(cells) != r.width && !blank(cells) {
		return nil, s.first + s.lines - 1, &RowError{Line: s.first, Reason: ReasonCellCount,
			Message: fmt.Sprintf("the row has %d cells, the header has %d", len(cells), r.width)}
	}
	return cells, 0, nil
}

// blank reports whether a spreadsheet has left the row empty.
func blank(cells []string) bool {
	return !slices.ContainsFunc(cells, func(c string) bool { return c != "" })
}

// resume puts those lines of a malformed span back that may be rows of their own.
func (r *records) resume(s span, badLine int) {
	rest := s.text[len(firstLine(s.text)):]
	r.line = s.first
	for len(rest) > 0 && badLine > s.first && !r.likeRow(firstLine(rest)) {
		rest = rest[len(firstLine(rest)):]
		r.line++
	}
	if len(rest) > 0 {
		r.pending = slices.Concat(rest, r.pending)
	}
}

// likeRow tells the first line of a row from the lines and the tail of a description: it has a key where it
// should, or at least half of the cells, with no quote closing in the first.
func (r *records) likeRow(line []byte) bool {
	cells := strings.Split(string(line), string(r.separator))
	if strings.LastIndexByte(cells[0], '"') > 0 && cells[0][0] != '"' {
		return false
	}
	hasKey := r.isKey != nil && r.key >= 0 && r.key < len(cells)-1 && r.isKey(strings.Trim(cells[r.key], `" `))
	return hasKey || 2*len(cells) >= r.width
}

func firstLine(text []byte) []byte {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return text[:i+1]
	}
	return text
}

// errorLine returns the line of a csv error, counted from 1 at the start of what was parsed.
func errorLine(err error) int {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return e.Line
	}
	return 1
}

// malformed words a csv error.
func malformed(s span, err error) *RowError {
	bad := &RowError{Line: s.first, Reason: ReasonMalformed, Message: err.Error()}
	e, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case ok && errors.Is(e.Err, csv.ErrBareQuote):
		bad.Message = fmt.Sprintf("a quote stands inside a cell that does not begin with one (line %d, byte %d); "+
			`quote the cell and double the quote`, s.first+e.Line-1, e.Column)
	case ok && errors.Is(e.Err, csv.ErrQuote):
		bad.Message = fmt.Sprintf("a quoted cell is not closed before a separator or the line's end (line %d, byte %d); "+
			`close it, or double the quote inside it`, s.first+e.Line-1, e.Column)
	}
	return bad
}
