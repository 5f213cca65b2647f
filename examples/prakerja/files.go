package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// writeFile writes a file whole or not at all: under another name first, which
// is then changed.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := createFile(path)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(err, f.abandon())
	}
	return f.Close()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// wholeFile is a file that gets its name when it is closed.
type wholeFile struct {
	*bufio.Writer
	f    *os.File
	path string
}

func createFile(path string) (*wholeFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".unfinished-*")
	if err != nil {
		return nil, err
	}
	return &wholeFile{bufio.NewWriterSize(f, 1<<16), f, path}, nil
}

// Close writes what is left and gives the file its name.
func (w *wholeFile) Close() error {
	if err := errors.Join(w.Flush(), w.f.Chmod(0o644), w.f.Close()); err != nil {
		return errors.Join(err, os.Remove(w.f.Name()))
	}
	return os.Rename(w.f.Name(), w.path)
}

func (w *wholeFile) abandon() error { return errors.Join(w.f.Close(), os.Remove(w.f.Name())) }
