package proxy

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// statusClientGone is what is logged and counted of a request whose client went away.
const statusClientGone = 499

// record logs and counts a request that came in at an instant.
func (p *Proxy) record(r *http.Request, recorded *statusRecorder, e *exchange, started time.Time, panicked any) {
	now := p.Now()
	line := slog.NewRecord(now, slog.LevelInfo, "request", 0) // without the place in the code, which slog would look up
	line.AddAttrs(slog.String("method", shortened(r.Method)), slog.Int64("ms", now.Sub(started).Milliseconds()))
	name, status := "", recorded.status
	if e.route != nil {
		name = e.route.Name()
		line.AddAttrs(slog.String("route", name))
	}
	// The server ends the context of a client that goes away, and of one that is too slow, which is told so.
	if r.Context().Err() != nil && (panicked != nil || e.failed != nil && status != http.StatusRequestTimeout) {
		status = statusClientGone
	}
	line.AddAttrs(slog.Int("status", status))
	if e.retried {
		line.AddAttrs(slog.Bool("retried", true))
	}
	switch aborted, _ := panicked.(error); {
	case status == statusClientGone:
		line.AddAttrs(slog.String("reason", "the client went away"))
	case errors.Is(aborted, http.ErrAbortHandler):
		line.Level = slog.LevelWarn
		line.AddAttrs(slog.String("reason", "the connection broke during the answer"))
	case panicked != nil:
		line.Level = slog.LevelError
		line.AddAttrs(slog.String("reason", "internal error"))
	case e.failed != nil:
		line.Level = slog.LevelWarn
		line.AddAttrs(slog.String("reason", e.failed.reason))
		if e.failed.Side != "" {
			line.AddAttrs(slog.String("side", e.failed.Side))
		}
	}
	_ = p.Log.Handler().Handle(r.Context(), line)
	p.Metrics.request(name, r.Method, status)
}

// shortened is a word of a client's for the log: it can be as long as a request's headers may be.
func shortened(word string) string {
	const longest = 32
	if len(word) > longest {
		return word[:longest] + "…"
	}
	return word
}

// statusRecorder keeps the status of an answer. A client that takes nothing of it for too long ends it.
type statusRecorder struct {
	http.ResponseWriter
	client *peer
	body   *incoming // of the request; nil: there is none
	status int

	exchange *exchange
}

func (w *statusRecorder) WriteHeader(status int) {
	if status < http.StatusOK && w.exchange.to != nil { // such as 103, which modify does not get
		w.exchange.to.appended.leave(w.Header())
	}
	if status >= http.StatusOK && w.status == 0 {
		w.status = status
		if w.body != nil {
			w.body.within(w.client.linger)
		}
	}
	w.client.takes()
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(p []byte) (int, error) {
	w.client.takes()
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
