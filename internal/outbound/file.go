package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// file is the sink that appends lines of JSON to a file. It is opened for each delivery, so
// that it may be renamed at any time.
type file struct {
	path    string
	resumed bool // the end of the file was looked at
}

func (f *file) deliver(_ context.Context, all []message) (taken int, err error) {
	out, err := f.open()
	if err != nil {
		return 0, fmt.Errorf("file: %w", err)
	}
	defer func() {
		if closed := out.Close(); err == nil && closed != nil {
			taken, err = 0, fmt.Errorf("file: %w", closed)
		}
	}()
	skip := 0
	last, err := lastLine(out)
	if err != nil {
		return 0, fmt.Errorf("file %s: %w", f.path, err)
	}
	if !f.resumed {
		skip = written(last, all)
	}
	var text bytes.Buffer
	for _, m := range all[skip:] {
		text.Write(m.body)
		text.WriteByte('\n')
	}
	if _, err := out.Write(text.Bytes()); err != nil {
		f.resumed = false // a part of it may be there
		return 0, fmt.Errorf("file: %w", err)
	}
	if err := out.Sync(); err != nil {
		f.resumed = false
		return 0, fmt.Errorf("file: %w", err)
	}
	f.resumed = true
	return len(all), nil
}

// open opens the file, and creates it readable for its owner only.
func (f *file) open() (*os.File, error) {
	info, err := os.Stat(f.path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", f.path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	out, openErr := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if openErr != nil {
		return nil, openErr
	}
	if err != nil { // it is new
		if err := syncDirectory(filepath.Dir(f.path)); err != nil {
			return nil, errors.Join(err, out.Close())
		}
	}
	return out, nil
}

// syncDirectory makes a new file's name durable.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every system can
	return d.Close()
}

// lastLine returns the last line of a file, and cuts off what follows it: a line that was
// half written when the machine or the process died.
func lastLine(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	var tail []byte
	for start := size; ; {
		if end := bytes.LastIndexByte(tail, '\n'); end >= 0 {
			if begin := bytes.LastIndexByte(tail[:end], '\n'); begin >= 0 || start == 0 {
				return tail[begin+1 : end], cut(f, start+int64(end)+1, size)
			}
		} else if start == 0 {
			return nil, cut(f, 0, size)
		}
		part := make([]byte, min(start, 64<<10))
		start -= int64(len(part))
		if _, err := f.ReadAt(part, start); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		tail = append(part, tail...)
	}
}

func cut(f *os.File, to, size int64) error {
	if to == size {
		return nil
	}
	return f.Truncate(to)
}

// written returns how many of the messages, from the first on, are in the file already:
// those up to the one in its last line. The cursor may not have been moved behind them.
func written(last []byte, all []message) int {
	var e struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(last, &e) != nil {
		return 0
	}
	for i, m := range all {
		if m.id == e.ID {
			return i + 1
		}
	}
	return 0
}
