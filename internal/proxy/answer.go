package proxy

import (
	"io"
	"time"
)

// answer is the body of a vendor's answer. If nothing comes for too long, it breaks off.
type answer struct {
	io.ReadCloser
	stall time.Duration
	timer *time.Timer // nil before the first Read
}

func (a *answer) Read(p []byte) (int, error) {
	if a.timer == nil {
		a.timer = time.AfterFunc(a.stall, func() { _ = a.Close() })
	} else {
		a.timer.Reset(a.stall)
	}
	defer a.timer.Stop()
	return a.ReadCloser.Read(p)
}
