package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
)

const (
	// maxBuffered is the longest body that is read before the call is signed.
	maxBuffered = 10 << 20
	// smallestPart and largestPart limit what is allocated at once for a body whose length is not known.
	smallestPart = 16 << 10
	largestPart  = 1 << 20
)

// budget is the memory that all bodies together may take that are read before their calls are signed.
type budget struct {
	mu          sync.Mutex
	limit, used int64 // in bytes
}

// allow sets the limit. Bodies that were read before stay.
func (b *budget) allow(limit int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = limit
}

// take reports whether there was room for so many bytes, which are then used.
func (b *budget) take(size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+size > b.limit {
		return false
	}
	b.used += size
	return true
}

// body is the body of a request that was read. It is in parts, so that none has to be copied when the next is needed.
type body struct {
	parts  [][]byte
	length int64
	budget *budget
	taken  int64 // of the budget; not less than length
}

// read reads a body. length is -1 for one whose length is not known. The room for all others is taken before the first byte comes.
func (b *budget) read(in io.Reader, length int64) (*body, error) {
	tooLong := refusal(http.StatusRequestEntityTooLarge, "the body is longer than 10 MiB, which is what this route can sign")
	if length > maxBuffered {
		return nil, tooLong
	}
	read := &body{budget: b}
	next := length
	if length < 0 {
		next = smallestPart
	}
	for read.length != length {
		part, err := read.part(in, next)
		read.length += part
		switch {
		case read.length > maxBuffered:
			read.release()
			return nil, tooLong
		case errors.Is(err, io.EOF) && (length < 0 || read.length == length):
			return read, nil
		case err != nil:
			read.release()
			return nil, broken(err)
		}
		next = min(2*next, largestPart)
	}
	return read, nil
}

// part reads the next so many bytes of a body, and returns how many came.
func (b *body) part(in io.Reader, size int64) (int64, error) {
	if !b.budget.take(size) {
		return 0, refusal(http.StatusServiceUnavailable, "the proxy reads too many bodies at this moment: try again")
	}
	b.taken += size
	part, filled := make([]byte, size), 0
	var err error
	for filled < len(part) && err == nil {
		var n int
		n, err = in.Read(part[filled:])
		filled += n
	}
	b.parts = append(b.parts, part[:filled])
	return int64(filled), err
}

// release gives back what the body has of the budget.
func (b *body) release() {
	b.budget.mu.Lock()
	defer b.budget.mu.Unlock()
	b.budget.used -= b.taken
	b.taken = 0
}

// reader returns a reader of the body.
func (b *body) reader() io.Reader {
	readers := make([]io.Reader, len(b.parts))
	for i, part := range b.parts {
		readers[i] = bytes.NewReader(part)
	}
	return io.MultiReader(readers...)
}

// sum is the body's SHA-256, in lower-case hex.
func (b *body) sum() string {
	hash := sha256.New()
	for _, part := range b.parts {
		_, _ = hash.Write(part) // never fails
	}
	return hex.EncodeToString(hash.Sum(nil))
}
