package proxy

import (
	"encoding/json"
	"net/http"
)

// problem is an answer of the proxy's own, in the form of RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Side is the side that failed: vault or vendor; "" if the request is refused.
	Side   string `json:"side,omitempty"`
	Detail string `json:"detail"`

	reason string // for the log
}

func refusal(status int, detail string) *problem {
	return failure(status, "", detail, detail)
}

// The sides that fail.
const (
	sideVault  = "vault"
	sideVendor = "vendor"
)

func failure(status int, side, detail, reason string) *problem {
	title := http.StatusText(status)
	return &problem{Type: "about:blank", Title: title, Status: status, Side: side, Detail: detail, reason: reason}
}

// Error makes a problem the error of a transport.
func (p *problem) Error() string { return p.reason }

func (p *problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
