// How the tests of the host run check it, also where it ends the process with a report.
#ifndef VQ4J_TESTS_HOST_RUN_CHECKS_HPP
#define VQ4J_TESTS_HOST_RUN_CHECKS_HPP

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "host_run.hpp"

namespace host_run_tests {

inline int failures = 0;

inline void check(bool holds, const char* what) {
    if (!holds) {
        std::printf("FAILED: %s\n", what);
        ++failures;
    }
}

inline const char* const orders[] = {"forward", "reverse", "random:1", "random:2"};

// What a child process wrote to stderr before it aborted; empty where it ended well.
inline std::string report_of(const std::function<void()>& body) {
    int ends[2];
    if (pipe(ends) != 0) {
        return "";
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        body();
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;) {
        text.append(buffer, static_cast<size_t>(size));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? text : "";
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// That a launch of one block ends the process with a report that has all the parts.
inline void expect_report(const char* what, const std::function<void()>& kernel, unsigned threads, size_t shared_bytes,
    const std::vector<std::string>& parts) {
    const std::string report = report_of([&] { host_run::launch(1, threads, shared_bytes, kernel, host_run::most_shared_bytes); });
    for (const std::string& part : parts) {
        if (!contains(report, part)) {
            std::printf("FAILED: %s: no \"%s\" in the report: %s\n", what, part.c_str(), report.c_str());
            ++failures;
        }
    }
}

}  // namespace host_run_tests

#endif
