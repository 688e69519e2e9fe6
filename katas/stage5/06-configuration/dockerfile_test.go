package configuration_test

import (
	"encoding/json"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	configuration "github.com/kubekata/kubekata/katas/stage5/06-configuration"
)

var _ = Describe("Dockerfile", func() {
	It("starts from nothing", func() {
		Expect(instructions("FROM")).To(Equal([]string{"scratch"}), "FROM: a program that is static needs no shell, no package manager, and none of their holes")
	})

	It("has the program as /extender, and no other file", func() {
		files := append(instructions("COPY"), instructions("ADD")...)
		Expect(files).To(HaveLen(1), "COPY and ADD")
		words := strings.Fields(files[0])
		for len(words) > 0 && strings.HasPrefix(words[0], "--") {
			words = words[1:]
		}
		Expect(words).To(Or(Equal([]string{"extender", "/extender"}), Equal([]string{"./extender", "/extender"}), Equal([]string{"extender", "/"}), Equal([]string{"./extender", "/"})), "COPY, without its flags")
		Expect(instructions("RUN")).To(BeEmpty(), "RUN: there is nothing in the image that could run")
	})

	It("runs as a user that is not root, by number", func() {
		users := instructions("USER")
		Expect(users).NotTo(BeEmpty(), "USER: without one it is root, and a pod with runAsNonRoot does not start")
		Expect(users[len(users)-1]).To(MatchRegexp(`^[1-9]\d*(:\d+)?$`), "USER: the kubelet cannot tell whether a name is root's, and there is no /etc/passwd")
	})

	It("runs the program itself, without a shell", func() {
		entry := instructions("ENTRYPOINT")
		Expect(entry).To(HaveLen(1), "ENTRYPOINT: args of a container are given to it")
		var words []string
		Expect(json.Unmarshal([]byte(entry[0]), &words)).To(Succeed(), "ENTRYPOINT %s: any other form than a JSON list is run by /bin/sh, which is not there", entry[0])
		Expect(words).To(Equal([]string{"/extender"}), "ENTRYPOINT")
	})
})

var continued = regexp.MustCompile(`\\\s*\n`)

// instructions returns the arguments of an instruction, wherever it stands.
func instructions(name string) []string {
	var all []string
	for line := range strings.Lines(continued.ReplaceAllString(string(configuration.Dockerfile), " ")) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.EqualFold(word, name) {
			all = append(all, strings.TrimSpace(rest))
		}
	}
	return all
}
