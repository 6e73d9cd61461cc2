// SPDX-License-Identifier: MIT

// Reads manifests from standard input by the types of Kubernetes, as strictly as a server does when it is asked to:
// unknown and repeated fields are errors. Prints what is wrong with each; the exit code tells whether something is.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
)

func main() {
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	code := 0
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			os.Exit(code)
		}
		if err == nil {
			_, _, err = decoder.Decode(text, nil, nil)
		}
		if err != nil {
			fmt.Println(err)
			code = 1
		}
	}
}
