// Package avanan implements the authentication of the Smart API of Avanan, now Check Point Harmony Email
// (smart-api-production-*.avanan.net).
//
// A handshake, GET /v1.0/auth, returns a JWT that lives for an hour. Every other call sends that JWT. Each request,
// including the handshake, has five headers. One of them, x-av-sig, is the SHA-256, in lower-case hex, of the standard
// base64 encoding of
//
//	<req id><app id><date>[<request string>]<secret key>
//
// The request string is the path and query exactly as sent; the handshake leaves it out. The signature is a plain hash,
// not an HMAC (Avanan's Smart API pages, "Authentication"; the request string: Check Point's own Python client).
//
// Two things matter if you sign for others. The signature covers neither method, body, token nor host. And the parts
// are joined without separators, so a request string that contains the app id and a date would sign a second request
// too. CheckRequestString rejects those.
//
// Everything except Client, which does the handshake, is pure: times and ids are arguments.
package avanan

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The names of the five headers, as spelled on the wire.
const (
	HeaderReqID = "x-av-req-id"
	HeaderToken = "x-av-token"
	HeaderAppID = "x-av-app-id"
	HeaderDate  = "x-av-date"
	HeaderSig   = "x-av-sig"
)

// Credentials are those that Avanan gave for one region.
type Credentials struct {
	// AppID is public, because it is sent in the header x-av-app-id.
	AppID string
	// SecretKey is the last part of the text that is hashed.
	SecretKey secret.Text
}

// Call is the input for the headers of one call.
type Call struct {
	// ReqID is a UUID, a new one for each call.
	ReqID string
	// Date is the time of the call, written in one of the date formats.
	Date string
	// Token is the JWT, empty in the handshake.
	Token secret.Text
	// RequestString is the path with its query exactly as sent, empty in the handshake.
	RequestString string
}

// Headers returns the five headers of a call by name.
func (c Credentials) Headers(call Call) map[string]string {
	return map[string]string{
		HeaderReqID: call.ReqID,
		HeaderToken: call.Token.Reveal(),
		HeaderAppID: c.AppID,
		HeaderDate:  call.Date,
		HeaderSig:   signature(c.signedText(call)),
	}
}

func (c Credentials) signedText(call Call) []byte {
	return []byte(call.ReqID + c.AppID + call.Date + call.RequestString + c.SecretKey.Reveal())
}

func signature(signedText []byte) string {
	sum := sha256.Sum256(base64.StdEncoding.AppendEncode(nil, signedText))
	return hex.EncodeToString(sum[:])
}
