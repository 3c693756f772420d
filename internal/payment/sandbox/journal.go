package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// journal is an append-only file of JSON lines, or nothing where it has no file. A crash of the process loses no
// line that append returned for; one of the machine may lose the newest.
type journal struct{ file *os.File }

// openJournal opens the file at path, making it if it is not there, and gives each record to replay. A last line
// without its end is what a crash left of a request that was not answered: it is dropped.
func openJournal(path string, replay func(record)) (*journal, error) {
	if path == "" {
		return &journal{}, nil
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sandbox: open journal: %w", err)
	}
	whole, err := read(file, replay)
	if err == nil {
		err = file.Truncate(whole)
	}
	if err == nil {
		_, err = file.Seek(whole, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sandbox: read journal %s: %w", path, err), file.Close())
	}
	return &journal{file}, nil
}

// read replays the whole lines and returns how many bytes they are.
func read(r io.Reader, replay func(record)) (int64, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for i, line := range bytes.Split(text[:whole], []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var one record
		if err := json.Unmarshal(line, &one); err != nil {
			return 0, fmt.Errorf("line %d: %w", i+1, err)
		}
		replay(one)
	}
	return int64(whole), nil
}

func (j *journal) append(line []byte) error {
	if j.file == nil {
		return nil
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("sandbox: write journal: %w", err)
	}
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}
