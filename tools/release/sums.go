package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// writeSums writes the sums of all files of a folder, sorted by name, in the format of sha256sum.
func writeSums(directory string) error {
	files, err := os.ReadDir(directory)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, file := range files {
		sum, err := fileSum(filepath.Join(directory, file.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, file.Name())
	}
	return os.WriteFile(filepath.Join(directory, sumsFile), []byte(sums.String()), 0o644)
}

// readSums reads what writeSums wrote: the sum of each file by its name.
func readSums(file string) (map[string]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(content)) {
		sum, name, is := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !is || len(sum) != 2*sha256.Size {
			return nil, fmt.Errorf("%s: %q is no sum", file, line)
		}
		sums[name] = sum
	}
	return sums, nil
}

// checkSums requires that a folder has exactly the files that its sums name, with these sums. It returns the sums.
func checkSums(directory string) (map[string]string, error) {
	sums, err := readSums(filepath.Join(directory, sumsFile))
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	var wrong error
	found := map[string]bool{}
	for _, file := range files {
		name := file.Name()
		if name == sumsFile {
			continue
		}
		found[name] = true
		if sum, err := fileSum(filepath.Join(directory, name)); err != nil {
			wrong = errors.Join(wrong, err)
		} else if sum != sums[name] {
			wrong = errors.Join(wrong, fmt.Errorf("%s: the sum is %s, but %s has %q", name, sum, sumsFile, sums[name]))
		}
	}
	for name := range sums {
		if !found[name] {
			wrong = errors.Join(wrong, fmt.Errorf("%s is in %s, but not in %s", name, sumsFile, directory))
		}
	}
	return sums, wrong
}

// fileSum is the sha256 of a file, in hexadecimal.
func fileSum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
