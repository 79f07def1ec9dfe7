package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// maxBuffered is the longest body that is read before the call is signed with its hash.
const maxBuffered = 10 << 20

// budget is the memory that all bodies together may take that are read before their calls are signed.
type budget struct {
	mu          sync.Mutex
	limit, used int64 // in bytes

	buffers Buffers // parts of bodies that were not read to their end
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
	length int64
	budget *budget
	taken  int64 // of the budget; not less than length

	mu       sync.Mutex
	parts    [][]byte // nil once nobody needs them, and for a body that is a text
	open     int      // readers that have not come to an end
	answered bool     // no more readers are opened
}

// read reads a body. length is -1 for one whose length is not known. The room for all others is taken before the first
// byte comes.
func (b *budget) read(in io.Reader, length int64) (*body, error) {
	tooLong := refusal(http.StatusRequestEntityTooLarge,
		"the body is longer than 10 MiB, which is what this route can sign")
	if length > maxBuffered {
		return nil, tooLong
	}
	read := &body{budget: b}
	for read.length != length {
		part, err := read.part(in, length)
		read.length += part
		switch {
		case read.length > maxBuffered:
			read.discard()
			return nil, tooLong
		case errors.Is(err, io.EOF) && (length < 0 || read.length == length):
			return read, nil
		case err != nil:
			read.discard()
			return nil, broken(err)
		}
	}
	return read, nil
}

// readText reads a body that is signed as a text, into one piece of memory. Its room is taken before the first byte
// comes: without a length, as much as the longest takes.
func (b *budget) readText(in io.Reader, length int64) (*body, string, error) {
	size := length
	if length < 0 {
		size = signing.MaxBody
	}
	if size > signing.MaxBody {
		return nil, "", errLongText
	}
	if !b.take(size) {
		return nil, "", errNoRoom
	}
	read := &body{budget: b, taken: size}
	var text strings.Builder
	text.Grow(int(size))
	var err error
	read.length, err = io.CopyBuffer(&text, io.LimitReader(in, size+1), make([]byte, 4<<10))
	switch {
	case err == nil && read.length > size:
		err = errLongText
	case err == nil && length > read.length:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		read.release()
		return nil, "", broken(err)
	}
	return read, text.String(), nil
}

var (
	errLongText = refusal(http.StatusRequestEntityTooLarge,
		"the body is longer than 64 KiB, which is what this route can sign")
	errNoRoom = refusal(http.StatusServiceUnavailable, "the proxy reads too many bodies at this moment: try again")
)

// part reads the whole of a body with a length, or the next 32 KiB of one without. It returns how many bytes came.
func (b *body) part(in io.Reader, length int64) (int64, error) {
	size := length
	if length < 0 {
		size = bufferSize
	}
	if !b.budget.take(size) {
		return 0, errNoRoom
	}
	b.taken += size
	var part []byte
	if length < 0 {
		part = b.budget.buffers.Get()
	} else {
		part = make([]byte, size)
	}
	var err error
	filled := 0
	for filled < len(part) && err == nil {
		var n int
		n, err = in.Read(part[filled:])
		filled += n
	}
	b.parts = append(b.parts, part[:filled])
	return int64(filled), err
}

// discard releases a body that was not read to its end. Its parts can be used for another: no call was sent with it.
// (One that was sent may be read by the transport for a moment after its answer.)
func (b *body) discard() {
	for _, part := range b.parts {
		if cap(part) == bufferSize {
			b.budget.buffers.Put(part[:bufferSize])
		}
	}
	b.release()
}

// release gives back what the body has of the budget.
func (b *body) release() {
	b.budget.mu.Lock()
	defer b.budget.mu.Unlock()
	b.budget.used -= b.taken
	b.taken = 0
}

// finish gives the memory of a body back as soon as all that read it have come to an end. None begins after it.
func (b *body) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answered = true
	b.forget()
}

// forget drops the parts if nobody needs them. Their room is given back with them.
func (b *body) forget() {
	if b.answered && b.open == 0 && b.parts != nil {
		b.parts = nil
		b.release()
	}
}

// reader reads a body from its beginning. It must be closed, or read to its end.
func (b *body) reader() io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open++
	readers := make([]io.Reader, len(b.parts))
	for i, part := range b.parts {
		readers[i] = bytes.NewReader(part)
	}
	return &bodyReader{body: b, rest: io.MultiReader(readers...)}
}

// bodyReader lets go of the body at its end, because http.Transport keeps it for as long as the answer comes.
type bodyReader struct {
	body *body
	rest io.Reader // nil: it has come to an end
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	if r.rest == nil {
		return 0, io.EOF
	}
	n, err := r.rest.Read(p)
	if err != nil {
		r.end()
	}
	return n, err
}

// Close may be called while another goroutine reads.
func (r *bodyReader) Close() error {
	r.body.mu.Lock()
	defer r.body.mu.Unlock()
	r.end()
	return nil
}

func (r *bodyReader) end() {
	if r.rest != nil {
		r.rest = nil
		r.body.open--
		r.body.forget()
	}
}
