// A port on io_uring: a reader and a writer on one descriptor.
//
// It begins with system calls of its own (uring_direct.hpp), goes over to the ring's multishot read where much comes,
// and back after some turns that brought little.
//
// Closing a descriptor under an armed multishot read would leave its TAP up; so close() cancels, awaits the last
// completion, and only then lets go.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/reactor/uring_direct.hpp"
#include "tcpco/reactor/uring_reader.hpp"
#include "tcpco/reactor/uring_ring.hpp"
#include "tcpco/reactor/uring_writer.hpp"

namespace tcpco {

class uring_port final : public frame_port {
public:
    // Enters itself into the reactor's `ports` for as long as it lives.
    uring_port(uring_ring& ring, std::vector<uring_port*>& ports, const port_options& options, buffer_pool& pool,
               std::uint16_t group)
        : ring_{ring}, ports_{ports}, pool_{pool}, reader_{ring, options, pool, group, received_, counters_},
          direct_{ring, options, pool, received_, counters_}, writer_{ring, options, written_, counters_}
    {
        direct_.end();
        if (ring.direct()) {
            reader_.pause();
            direct_.begin();
        }
        ports_.push_back(this);
    }
    ~uring_port() override { close(); }

    void close() noexcept override
    {
        if (std::erase(ports_, this) == 0) {
            return;  // it was closed before
        }
        failure_ = errc::network_down;
        if (ring_.enabled()) {  // else there was no turn yet, so nothing is under way
            reader_.cancel();
            direct_.cancel();
            writer_.cancel();
            ring_.submit();  // with the frames that were taken
            ring_.harvest();
            while (reader_.armed() || direct_.armed() || writer_.busy()) {
                ring_.submit_and_wait(duration::max());
                ring_.harvest();
            }
        }
        writer_.reclaim_inline();
        writer_.drop_all();
    }

    sink_verdict send(std::span<const std::byte> prefix, const outgoing_frame& out, const buffer& keep) override
    {
        return failure_ == errc::ok ? writer_.send(prefix, out, keep, direct_.on()) : sink_verdict::refused;
    }
    bool writable() const noexcept override { return failure_ == errc::ok && writer_.writable(); }

    // True if another frame may wait that only a new READ would bring.
    bool wants_another_read() const noexcept
    {
        return !ring_.multishot_read() && !reader_.armed() && !reader_.lost() && !reader_.paused() &&
               !reader_.has_batch();
    }

    // Whether it reads by system calls now.
    bool looks() const noexcept { return direct_.on(); }
    // Does so. True where something came.
    bool look()
    {
        if (!direct_.on()) {
            return false;
        }
        const bool came = direct_.look();
        if ((direct_.too_much() && ring_.multishot_read()) || (pool_.available() == 0 && reader_.holds_slots())) {
            direct_.end();
            reader_.resume();  // armed when the turn ends
        }
        return came;
    }
    // What comes while the reactor sleeps has to wake it: by the poll, or by the read where the ring reads.
    void before_sleep() noexcept
    {
        direct_.arm();
        reader_.refill_and_arm();
    }

    unsigned writes_under_way() const noexcept { return writer_.under_way(); }
    void after_submission() noexcept { writer_.reclaim_inline(); }
    void after_harvest()
    {
        if (direct_.told()) {
            look();
        } else if (!direct_.on()) {
            go_back_where_quiet();
        }
        if (reader_.lost() || writer_.lost() || direct_.lost()) {
            failure_ = errc::network_down;
        }
    }
    void refill_and_arm() noexcept { reader_.refill_and_arm(); }
    void end_batch() noexcept { reader_.end_batch(); }
    void prepare_writes() noexcept { writer_.prepare_batch(); }

private:
    static constexpr std::size_t little = 2;   // frames of a turn
    static constexpr unsigned quiet_turns = 32;  // that brought no more

    void go_back_where_quiet() noexcept
    {
        if (!ring_.direct() || failure_ != errc::ok) {
            return;
        }
        if (!received_.empty()) {
            quiet_ = received_.size() <= little ? quiet_ + 1 : 0;
        }
        if (quiet_ >= quiet_turns && pool_.available() != 0) {
            reader_.pause();
        }
        if (reader_.paused() && !reader_.armed()) {  // what it has read came before
            quiet_ = 0;
            direct_.begin();
        }
    }

    uring_ring& ring_;
    std::vector<uring_port*>& ports_;
    buffer_pool& pool_;
    uring_reader reader_;
    uring_direct direct_;
    uring_writer writer_;
    unsigned quiet_ = 0;  // turns in a row
};

}  // namespace tcpco
