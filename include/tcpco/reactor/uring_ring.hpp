// An io_uring through liburing 2.3 or newer, and what of it this kernel and this environment give.
//
// Set-up asks for SINGLE_ISSUER and DEFER_TASKRUN (completions are made when we ask for them, on our thread, without
// interrupting it), and retries with less where the kernel answers EINVAL. The ring is made disabled and enabled by the
// thread that runs it, so a reactor can be made on one thread and run on another.
//
// TCPCO_URING forces a lower step, for tests and for trouble: `off`, `no-defer`, `no-msg-ring`, or
// several with commas.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tcpco/core/time.hpp"
#include "tcpco/reactor/io_operations.hpp"
#include "tcpco/reactor/poll_common.hpp"

namespace tcpco {

struct uring_settings {
    bool off = false;
    bool defer = true;
    bool msg_ring = true;    // wakes other rings by messages; off: by eventfds

    bool unknown_word = false;  // a word that is none of these was there: probably a typing error

    // What TCPCO_URING says.
    static uring_settings from_environment()
    {
        const char* value = std::getenv("TCPCO_URING");
        return parse(value != nullptr ? value : "");
    }
    static constexpr uring_settings parse(std::string_view words) noexcept
    {
        uring_settings s;
        while (!words.empty()) {
            const std::size_t comma = words.find(',');
            const std::string_view word = words.substr(0, comma);
            s.unknown_word = s.unknown_word || (word != "off" && word != "no-defer" && word != "no-msg-ring");
            s.off = s.off || word == "off";
            s.defer = s.defer && word != "no-defer";
            s.msg_ring = s.msg_ring && word != "no-msg-ring";
            words = comma == std::string_view::npos ? std::string_view{} : words.substr(comma + 1);
        }
        return s;
    }
};

class uring_ring {
public:
    static constexpr unsigned entries = 256;
    static constexpr unsigned completion_entries = 4096;

    // Throws std::system_error with the kernel's reason.
    explicit uring_ring(const uring_settings& settings)
    {
        const int error = set_up(settings);
        if (error != 0) {
            throw std::system_error{error, std::system_category(), "io_uring_setup"};
        }
        probe(settings);
    }
    uring_ring(const uring_ring&) = delete;
    uring_ring& operator=(const uring_ring&) = delete;
    ~uring_ring() { io_uring_queue_exit(&ring_); }

    io_uring* get() noexcept { return &ring_; }
    bool deferred() const noexcept { return (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0; }
    bool enabled() const noexcept { return enabled_; }
    // Whether another ring can be sent a message (kernel 5.18).
    bool msg_ring() const noexcept { return msg_ring_; }

    // Whether a completion is there, or can be had by asking. Costs no system call where the kernel shows its work.
    bool has_completions() noexcept
    {
        if (io_uring_cq_ready(&ring_) != 0) {
            return true;
        }
        const bool shown = (ring_.flags & IORING_SETUP_TASKRUN_FLAG) != 0;
        if (shown && (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) == 0) {
            return false;
        }
        submit_and_collect();
        return io_uring_cq_ready(&ring_) != 0;
    }

    // By the thread that will submit; once. (liburing 2.3 declares io_uring_enable_rings without exporting it.)
    void enable()
    {
        if (!enabled_) {
            detail::checked(static_cast<int>(::syscall(__NR_io_uring_register, ring_.ring_fd,
                                                       IORING_REGISTER_ENABLE_RINGS, nullptr, 0)),
                            "io_uring: enabling the ring");
            enabled_ = true;
        }
    }

    // A cleared entry; submits when there is none. Null only on a ring that is full and not yet enabled.
    io_uring_sqe* get_sqe() noexcept
    {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (sqe == nullptr && enabled_) {
            submit();
            sqe = io_uring_get_sqe(&ring_);
        }
        return sqe;
    }
    unsigned space() const noexcept { return io_uring_sq_space_left(&ring_); }
    // Entries that the kernel has not taken yet.
    unsigned unsubmitted() const noexcept { return io_uring_sq_ready(&ring_); }

    void submit() noexcept { io_uring_submit(&ring_); }

    // Submits, and lets completions that are due appear, without waiting.
    void submit_and_collect() noexcept { io_uring_submit_and_get_events(&ring_); }

    // Submits, and waits for `count` completions, which are sure to come soon. Asking for all of them at once matters:
    // with DEFER_TASKRUN a chain of links goes on only as far as completions are asked for.
    void submit_and_wait_for(unsigned count) noexcept { io_uring_submit_and_wait(&ring_, count); }

    // Submits, and waits for one completion, but no longer than `limit`.
    void submit_and_wait(duration limit) noexcept
    {
        io_uring_cqe* cqe = nullptr;
        if (limit == duration::max()) {
            io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, nullptr, nullptr);
            return;
        }
        __kernel_timespec ts{limit.ns / 1'000'000'000, limit.ns % 1'000'000'000};
        io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &ts, nullptr);
    }

    // Tells every completion that is there to whom it is for. Returns how many.
    unsigned harvest() noexcept
    {
        unsigned total = 0;
        for (;;) {
            unsigned head = 0;
            unsigned count = 0;
            io_uring_cqe* cqe = nullptr;
            io_uring_for_each_cqe(&ring_, head, cqe)
            {
                ++count;
                auto* owner = static_cast<kernel_completion*>(io_uring_cqe_get_data(cqe));
                if (owner != nullptr) {
                    owner->on_completed(*owner, cqe->res, cqe->flags);
                }
            }
            if (count == 0) {
                return total;
            }
            io_uring_cq_advance(&ring_, count);
            total += count;
        }
    }

    // Asks the kernel to end what was submitted for `owner`; that completes all the same.
    void cancel(kernel_completion& owner) noexcept
    {
        if (io_uring_sqe* sqe = get_sqe()) {
            io_uring_prep_cancel(sqe, &owner, 0);
            io_uring_sqe_set_data(sqe, nullptr);
        }
    }

    // From now on `fd` is signalled at every completion; -1 ends it.
    void register_event(int fd)
    {
        const int error = fd >= 0 ? io_uring_register_eventfd(&ring_, fd) : io_uring_unregister_eventfd(&ring_);
        if (error < 0) {
            throw std::system_error{-error, std::system_category(), "io_uring_register_eventfd"};
        }
    }

private:
    int set_up(const uring_settings& settings) noexcept
    {
        constexpr unsigned base = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        constexpr unsigned attempts[] = {base | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                         base | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN,
                                         base | IORING_SETUP_COOP_TASKRUN, base};
        int error = EINVAL;
        for (const unsigned flags : attempts) {
            if (!settings.defer && (flags & IORING_SETUP_DEFER_TASKRUN) != 0) {
                continue;
            }
            io_uring_params params{};
            // The kernel says in shared memory that completions wait to be made.
            params.flags = flags | (flags != base ? IORING_SETUP_TASKRUN_FLAG : 0U);
            params.cq_entries = completion_entries;
            error = -io_uring_queue_init_params(entries, &ring_, &params);
            if (error == 0 && (params.features & IORING_FEAT_CQE_SKIP) == 0) {
                io_uring_queue_exit(&ring_);  // before 5.17: what uring_writer submits would fail, entry by entry
                return EOPNOTSUPP;
            }
            if (error != EINVAL) {
                return error;
            }
        }
        return error;
    }

    void probe(const uring_settings& settings) noexcept
    {
        io_uring_probe* answer = io_uring_get_probe_ring(&ring_);
        const auto has = [answer](int opcode) {
            return answer != nullptr && io_uring_opcode_supported(answer, opcode) != 0;
        };
        msg_ring_ = settings.msg_ring && has(IORING_OP_MSG_RING);
        io_uring_free_probe(answer);
    }

    io_uring ring_{};
    bool enabled_ = false;
    bool msg_ring_ = false;
};

}  // namespace tcpco
