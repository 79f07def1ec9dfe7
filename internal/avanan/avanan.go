// Package avanan speaks the authentication of the Smart API of Avanan, now Check Point Harmony Email
// (smart-api-production-*.avanan.net).
//
// A handshake, GET /v1.0/auth, gives a JWT that lives for an hour; every other call carries that JWT. Each of them,
// the handshake too, carries five headers, of which x-av-sig is the lower-case hex SHA-256 of the standard base64
// text of
//
//	<req id><app id><date>[<request string>]<secret key>
//
// where the request string is the path with its query exactly as sent, left out in the handshake. It is a plain hash,
// not an HMAC (Avanan's Smart API pages, "Authentication"; the request string: Check Point's own Python client).
//
// Two things follow for whoever signs for others. The signature covers neither method, body, token nor host. And the
// parts are joined without separators, so that a request string with the app id and a date in it would sign a second
// request as well: CheckRequestString refuses those.
//
// Everything here is pure except Client, which does the handshake; instants and ids are arguments.
package avanan

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The five headers, spelled as on the wire.
const (
	HeaderReqID = "x-av-req-id"
	HeaderToken = "x-av-token"
	HeaderAppID = "x-av-app-id"
	HeaderDate  = "x-av-date"
	HeaderSig   = "x-av-sig"
)

// Credentials are what Avanan gave for one region.
type Credentials struct {
	// AppID is public: it travels in a header of its own.
	AppID string
	// SecretKey ends the text that is hashed.
	SecretKey secret.Text
}

// Call is what the headers of one call are made from.
type Call struct {
	// ReqID is a UUID, fresh for each call.
	ReqID string
	// Date is the instant of the call, as one of the formats writes it.
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
