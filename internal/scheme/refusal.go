package scheme

import "fmt"

// refusal is what is wrong with a document. The code that reads and checks documents panics with one, so that errors
// need not be passed up through every level (as Effective Go does in a parser). compile returns it as an error.
type refusal struct{ text string }

func (r refusal) Error() string { return r.text }

// refuseAt is a refusal of what stands at a place in a document. Neither may quote a value: a secret may have been
// pasted anywhere, and Vault logs errors in plain text.
func refuseAt(place, format string, args ...any) refusal {
	return refusal{place + ": " + fmt.Sprintf(format, args...)}
}

// caught is for defer: it turns a panic with a refusal into an error.
func caught(err *error) {
	switch fault := recover().(type) {
	case nil:
	case refusal:
		*err = fault
	default:
		panic(fault)
	}
}

// newerRules hold a document against the rules that came after earlier versions had stored documents. A new document
// must keep them. A stored one goes on signing, because what it does was accepted when it was written.
type newerRules struct {
	// stored says that the document comes from storage.
	stored bool
	// broken is the first rule that a stored document breaks, or nil.
	broken error
}

// refuse panics with a refusal of a newer rule, unless the document is a stored one. Then it remembers the first.
func (n *newerRules) refuse(r refusal) {
	if !n.stored {
		panic(r)
	}
	if n.broken == nil {
		n.broken = r
	}
}
