// stack_port: reads and writes that need nothing but a copy. Included by stack_port.hpp.
//
// Most small reads find their octets in the slot that the last one read from, and most small writes go behind the last
// one, into the same slot: no slot is taken or given back, and nobody is told. What is not so plain is left to read()
// and write(), which would have done the same to the connection.
#pragma once

#include "tcpco/stack/stack_port.hpp"

namespace tcpco {

inline bool stack_port::read_at_once(connection_id id, std::span<std::byte> out) noexcept
{
    transmission_control_block* c = owned(id);
    if (c == nullptr || c->reader != nullptr || out.empty() || !c->receive.read_first(out)) {
        return false;
    }
    c->read_since_ack = true;
    dirty_.push_back(id.index);
    return true;
}

inline bool stack_port::write_at_once(connection_id id, std::span<const std::byte> octets) noexcept
{
    transmission_control_block* c = owned(id);
    if (c == nullptr || c->rare->writer != nullptr || octets.empty() || c->state != tcp_state::established ||
        c->error != errc::ok) {
        return false;
    }
    const auto size = static_cast<octet_count>(octets.size());
    const bool is_below = c->low_water == 0 || c->unsent() + size <= octet_count{c->low_water};
    const bool has_share = c->queued() + size <= reserve_share || large_->headroom() > 0;
    if (!is_below || !has_share || !c->send.append_behind(octets)) {
        return false;
    }
    dirty_.push_back(id.index);
    return true;
}

}  // namespace tcpco
