package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// peer is a client's end of a connection. Without deadlines, net/http's server waits for a client as long as the
// connection lasts.
type peer struct {
	connection *http.ResponseController
	now        func() time.Time
	patience
}

// patience is how long a client may take, and a vendor. What moves may take as long as it does.
type patience struct {
	send, take time.Duration // for the next bytes
	linger     time.Duration // for the rest of a body that nobody needs, before the connection can have another request
	whole      time.Duration // for a body that is read before its call is signed
	stall      time.Duration // for the next bytes, by the vendor: to take those of a body, or to send those of an answer
}

var defaultPatience = patience{
	send: 2 * time.Minute, take: 2 * time.Minute, linger: time.Second, whole: 30 * time.Second, stall: 2 * time.Minute,
}

// takes gives the client time to take what is written next.
func (p *peer) takes() { _ = p.connection.SetWriteDeadline(p.now().Add(p.take)) }

// incoming is the body of a request. If nothing comes for too long, it ends with a problem as its error.
type incoming struct {
	io.ReadCloser
	*peer

	mu    sync.Mutex
	end   time.Time // when all of it must be there; zero: any time
	until time.Time // when the next bytes must be there; zero: nobody reads
	over  bool      // the connection's deadline is not this body's any more
}

// within has the whole body end in a time, for all that reads it. net/http reads what is left of it, before it sends
// the answer.
func (b *incoming) within(limit time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = b.now().Add(limit)
	b.sends()
}

// sends gives the client time to send what is read next.
func (b *incoming) sends() {
	b.until = b.now().Add(b.send)
	if !b.end.IsZero() && b.end.Before(b.until) {
		b.until = b.end
	}
	if !b.over {
		_ = b.connection.SetReadDeadline(b.until)
	}
}

// late reports whether the client has let a deadline pass. There may be no body.
func (b *incoming) late() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.until.IsZero() && b.now().After(b.until)
}

func (b *incoming) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.sends()
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p)
	ended := errors.Is(err, io.EOF)
	if err != nil && !ended {
		return n, broken(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Time{}
	if ended && !b.over { // the server reads on, to notice that the client goes away
		b.over = true
		_ = b.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}

// leave leaves the connection to the server: it reads what is left of the body, and then another request.
func (b *incoming) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

var errLate = refusal(http.StatusRequestTimeout, "the body of the request did not come in time")

// broken is the problem with a body that could not be read to its end.
func broken(err error) *problem {
	if already, is := errors.AsType[*problem](err); is {
		return already
	}
	switch {
	case isTimeout(err):
		return errLate
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refusal(http.StatusBadRequest, "the body of the request broke off before its end")
	default:
		return refusal(http.StatusBadRequest, "the body of the request could not be read")
	}
}
