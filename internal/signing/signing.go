// Package signing makes calls that Vault signs. It asks a Signer for a call's headers, checks what call they are for,
// and sends the call with them. After a 401 it does all that once more. Package client and the proxy make their calls
// with it. It does not know Vault, which package client does.
package signing

import (
	"context"
	"strings"
)

// Signer has calls signed by one path of the engine. It is safe for concurrent use.
type Signer interface {
	// Sign returns the headers of a call.
	Sign(ctx context.Context, call Call) (*Signed, error)
	// Reject says that the vendor answered 401 to what Sign returned, where the call is not made again: the next Sign
	// reports it.
	Reject(signed *Signed)
}

// Call is what a Signer signs.
type Call struct {
	// Parameters are those of a sign path, such as request_string, also on its batch path. A creds path takes none.
	Parameters map[string]any
	// Rejected is what Sign returned before, if the vendor answered 401 to it. Sign reports that to Vault
	// (unauthorized=true).
	Rejected *Signed
}

// Kind is how a path of the engine has calls signed.
type Kind int

// The kinds of paths. A mount may have slashes in its name.
const (
	// Creds is mount/creds/vendor/name, or any other path: it is read, and its headers are for many calls.
	Creds Kind = iota
	// Sign is mount/sign/vendor/name, which signs calls one by one.
	Sign
	// Batch is mount/sign/vendor/name/batch, which signs many calls at once.
	Batch
)

// KindOf returns the kind of a path, and its vendor.
func KindOf(path string) (kind Kind, vendor string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	last := len(parts) - 1
	switch {
	case last >= 3 && parts[last-2] == "sign":
		return Sign, parts[last-1]
	case last >= 4 && parts[last] == "batch" && parts[last-3] == "sign" && parts[last-2] != "creds":
		return Batch, parts[last-2]
	default:
		return Creds, parts[max(last-1, 0)]
	}
}
