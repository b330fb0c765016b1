// Child processes that end with their test, and limits in time, so that no failure hangs. Not a test itself.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tcpco_test {

inline constexpr int patience_seconds = 10;  // no wait outside of the reactor lasts longer

// Ends the process, with a message, if it still stands after so many seconds: a test that hangs must not hang the run.
class time_limit {
public:
    explicit time_limit(unsigned seconds)
    {
        std::signal(SIGALRM, [](int) {
            constexpr char text[] = "e2e: a test did not end in time; the process is given up\n";
            [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text, sizeof text - 1);
            ::_exit(1);
        });
        ::alarm(seconds);
    }
    time_limit(const time_limit&) = delete;
    time_limit& operator=(const time_limit&) = delete;
    ~time_limit() { ::alarm(0); }
};

// A ring of io_uring that this thread has just closed interrupts its next blocking call, and one with a time limit is
// not restarted by the kernel.
template <class Call>
auto retry_interrupted(Call call)
{
    auto result = call();
    while (result < 0 && errno == EINTR) {
        result = call();
    }
    return result;
}

// A child of this process: it dies with its parent, and is killed when this object goes.
class child_process {
public:
    // Runs f() in it; what that returns is its exit code.
    template <class F>
    explicit child_process(F f) : pid_{::fork()}
    {
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const time_limit limit{30};
            int code = 99;
            try {
                code = f();
            } catch (const std::exception& e) {
                std::fprintf(stderr, "e2e: the child process: %s\n", e.what());
            }
            ::_exit(code);
        }
    }
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;
    ~child_process()
    {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    void signal(int number) const { ::kill(pid_, number); }

    // Its exit code; 128 + the signal that ended it; -1 when it still runs after `time`.
    int wait(std::chrono::milliseconds time = std::chrono::seconds{patience_seconds})
    {
        const auto limit = std::chrono::steady_clock::now() + time;
        int status = 0;
        while (::waitpid(pid_, &status, WNOHANG) == 0) {
            if (std::chrono::steady_clock::now() > limit) {
                return -1;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{2});
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_;
};

// One octet from a child to its parent: "ready".
class ready_pipe {
public:
    ready_pipe() { valid_ = ::pipe2(ends_, O_CLOEXEC) == 0; }
    ready_pipe(const ready_pipe&) = delete;
    ready_pipe& operator=(const ready_pipe&) = delete;
    ~ready_pipe()
    {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    void tell() const { [[maybe_unused]] const auto n = ::write(ends_[1], "r", 1); }
    bool wait() const
    {
        pollfd p{ends_[0], POLLIN, 0};
        char octet = 0;
        const int n = retry_interrupted([&] { return ::poll(&p, 1, patience_seconds * 1000); });
        return valid_ && n == 1 && ::read(ends_[0], &octet, 1) == 1;
    }

private:
    int ends_[2] = {-1, -1};
    bool valid_ = false;
};

}  // namespace tcpco_test
