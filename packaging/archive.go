package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"path"
	"slices"
	"strings"
	"time"
)

// file is a file to install.
type file struct {
	path string // relative to the tree
	mode int64
	data []byte
}

// tarGz packs files and their folders below top. They belong to root, have the given
// date, and are sorted by name.
func tarGz(top string, date time.Time, files []file) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range withFolders(top, files) {
		h := tar.Header{
			Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)),
			ModTime: date.UTC(), Uname: "root", Gname: "root", Format: tar.FormatGNU,
		}
		if strings.HasSuffix(f.path, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// withFolders puts files below top, and adds each folder before its files.
func withFolders(top string, files []file) []file {
	all := map[string]file{top: {path: top + "/", mode: 0o755}}
	for _, f := range files {
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			all[dir] = file{path: top + "/" + dir + "/", mode: 0o755}
		}
		f.path = top + "/" + f.path
		all[f.path] = f
	}
	var list []file
	for _, f := range all {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	return list
}

// gz compresses without a name or a date.
func gz(data []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
