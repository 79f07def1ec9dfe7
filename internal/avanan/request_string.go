package avanan

import (
	"errors"
	"strings"

	"github.com/apisig/vault-plugin-apisig/internal/requeststring"
)

// MaxRequestString is the longest request string that may be signed, in bytes.
const MaxRequestString = requeststring.Max

// CheckRequestString returns nil if a request string may be signed for an app id. Otherwise it returns an error that
// says what is wrong with the string, worded to follow the name of a parameter.
//
// The rules have two purposes. A Vault policy allows request strings by prefix, so the path must stay below that prefix
// however a server or proxy decodes and normalizes it: no dot segments, empty segments, backslashes, fragments, control
// characters, overlong UTF-8, %u escapes, or characters that become a dot, a slash, a backslash or a percent sign. And
// a signature must be valid for one request only, so the request string must not contain the beginning of a second one:
// the app id, or the /v1.0/ of a shorter request (see the package comment). Both apply to the string as it stands and
// to every spelling that percent-decoding makes of it.
func CheckRequestString(appID, requestString string) error {
	lowerAppID := strings.ToLower(appID)
	return requeststring.Check(requestString, func(spelling string) error {
		if completesAppID(appID, requestString) {
			return errAppID
		}
		return checkSignedOnce(lowerAppID, strings.ToLower(spelling))
	})
}

var errAppID = errors.New("contains the app id: its signature would be valid for a second request")

// checkSignedOnce checks one spelling of a request string for the beginning of a second request that would have the
// same signature: the app id, before another date, or /v1.0/, after a longer one. Both arguments are in lower case.
func checkSignedOnce(appID, spelling string) error {
	switch {
	case appID != "" && strings.Contains(spelling, appID):
		return errAppID
	case strings.Contains(spelling[1:], "/v1.0/"):
		return errors.New("contains /v1.0/ after its beginning: its signature could be valid for a second request, from " +
			"there on")
	default:
		return nil
	}
}

// completesAppID reports whether an app id starts in the date that is signed before a request string and ends in that
// string: 56/x does, in a date that ends in 56 and a request string that starts with /x.
func completesAppID(appID, requestString string) bool {
	for i := 1; i < len(appID) && strings.IndexByte(dateCharacters, appID[i-1]) >= 0; i++ {
		if strings.HasPrefix(requestString, appID[i:]) {
			return true
		}
	}
	return false
}

// dateCharacters are the characters of the dates that every DateFormat makes.
const dateCharacters = "0123456789-:.TZ"
