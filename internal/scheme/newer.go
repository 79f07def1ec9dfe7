package scheme

// newerRules hold a document against the rules that came after earlier versions had stored documents. A new document must keep them. A
// stored one goes on signing, because what it does was accepted when it was written.
type newerRules struct {
	// stored says that the document comes from storage.
	stored bool
	// broken is the first rule that a stored document breaks, or nil.
	broken error
}

// refuse returns an error of a newer rule, unless the document is a stored one. Then it remembers the error and returns nil.
func (n *newerRules) refuse(err error) error {
	if !n.stored {
		return err
	}
	if n.broken == nil {
		n.broken = err
	}
	return nil
}
