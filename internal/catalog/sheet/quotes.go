package sheet

import "bytes"

// quoteOpen reports whether a quoted cell goes on after a line, before which it was open or not.
func (r *records) quoteOpen(line []byte, open bool) bool {
	if r.separator != '\t' {
		return open != (bytes.Count(line, []byte{'"'})%2 == 1)
	}
	for cell := range bytes.SplitSeq(line, []byte{'\t'}) {
		open = goesOn(cell, open)
	}
	return open
}

// goesOn reports whether a quoted cell goes on after a piece of text between tabs, before which it was open or not.
func goesOn(piece []byte, open bool) bool {
	if !open {
		if !bytes.HasPrefix(piece, []byte{'"'}) {
			return false
		}
		piece = piece[1:]
	}
	piece = bytes.TrimRight(piece, "\r\n")
	return (len(piece)-len(bytes.TrimRight(piece, `"`)))%2 == 0 // an odd one closes
}

// requote quotes the cells between tabs that have quotes and do not begin with one, as csv wants it.
func requote(record []byte) []byte {
	if bytes.IndexByte(record, '"') < 0 {
		return record
	}
	out := make([]byte, 0, len(record)+16)
	open := false
	for line := range bytes.Lines(record) {
		for i, cell := range bytes.Split(line, []byte{'\t'}) {
			if i > 0 {
				out = append(out, '\t')
			}
			plain := !open && !bytes.HasPrefix(cell, []byte{'"'})
			open = goesOn(cell, open)
			if !plain || bytes.IndexByte(cell, '"') < 0 {
				out = append(out, cell...)
				continue
			}
			text := bytes.TrimRight(cell, "\r\n")
			out = append(out, '"')
			out = append(out, bytes.ReplaceAll(text, []byte{'"'}, []byte(`""`))...)
			out = append(out, '"')
			out = append(out, cell[len(text):]...)
		}
	}
	return out
}
