// A port on io_uring: a reader and a writer on one descriptor.
//
// Closing a descriptor that the ring still waits for would leave its TAP up; so close() cancels, awaits the last
// completion, and only then lets go.
#pragma once

#include <span>
#include <vector>

#include "tcpco/async/concepts.hpp"
#include "tcpco/reactor/poll_port.hpp"
#include "tcpco/reactor/uring_reader.hpp"
#include "tcpco/reactor/uring_ring.hpp"
#include "tcpco/reactor/uring_writer.hpp"

namespace tcpco {

class uring_port final : public frame_port {
public:
    // Enters itself into the reactor's `ports` for as long as it lives.
    uring_port(uring_ring& ring, std::vector<uring_port*>& ports, const port_options& options, buffer_pool& pool)
        : ring_{ring}, ports_{ports}, reader_{ring, options, pool, received_, counters_},
          writer_{ring, options, written_, counters_}
    {
        ports_.push_back(this);
    }
    ~uring_port() override { close(); }

    void close() noexcept override
    {
        if (std::erase(ports_, this) == 0) {
            return;  // it was closed before
        }
        failure_ = errc::network_down;
        reader_.cancel();
        if (ring_.enabled()) {  // else there was no turn yet, so nothing is under way
            writer_.cancel();
            ring_.submit();  // with the frames that were taken
            ring_.harvest();
            while (reader_.armed() || writer_.busy()) {
                ring_.submit_and_wait(duration::max());
                ring_.harvest();
            }
        }
        writer_.reclaim_inline();
        writer_.drop_all();
    }

    sink_verdict send(std::span<const std::byte> prefix, const outgoing_frame& out, const buffer& keep) override
    {
        return failure_ == errc::ok ? writer_.send(prefix, out, keep) : sink_verdict::refused;
    }
    bool writable() const noexcept override { return failure_ == errc::ok && writer_.writable(); }

    // Reads what is there. True where something came.
    bool look() { return reader_.look(); }
    // What comes while the reactor sleeps has to wake it.
    void before_sleep() noexcept { reader_.arm(); }

    unsigned writes_under_way() const noexcept { return writer_.under_way(); }
    void after_submission() noexcept { writer_.reclaim_inline(); }
    void after_harvest()
    {
        if (reader_.told()) {
            look();
        }
        if (reader_.lost() || writer_.lost()) {
            failure_ = errc::network_down;
        }
    }
    void prepare_writes() noexcept { writer_.prepare_batch(); }

private:
    uring_ring& ring_;
    std::vector<uring_port*>& ports_;
    uring_reader reader_;
    uring_writer writer_;
};

}  // namespace tcpco
