// basic_stack: whom a value of the flow table names. Included by basic_stack.hpp.
//
// Values below connections_.limit() are connections, those behind are records of TIME-WAIT, and behind these are
// half-open records. Each knows its own two ends; the table keeps none of them.
#pragma once

#include "tcpco/stack/basic_stack.hpp"

namespace tcpco {

template <class B>
bool basic_stack<B>::has_flow(std::uint32_t value, const four_tuple& flow) const noexcept
{
    if (value < connections_.limit()) {
        const connection_type& c = connections_.at(value);
        return c.remote == flow.remote && c.local == flow.local;
    }
    return flow_of(value) == flow;
}

template <class B>
four_tuple basic_stack<B>::flow_of(std::uint32_t value) const noexcept
{
    if (value < connections_.limit()) {
        const connection_type& c = connections_.at(value);
        return {c.local, c.remote};
    }
    if (value >= first_half_open()) {
        const syn_received_record& r = syn_queue_.at(value - first_half_open());
        return {r.local(), r.remote()};
    }
    const time_wait_record& r = time_waits_.at(value - connections_.limit());
    return r.set_aside ? four_tuple{r.remote(), r.local()} : four_tuple{r.local(), r.remote()};
}

}  // namespace tcpco
