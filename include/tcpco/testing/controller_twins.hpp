// A congestion controller under test, a twin that is told the same and has to answer the same, and copies of both from
// before a reduction, which an undo is given.
#pragma once

#include <memory>

#include "tcpco/testing/controller_handle.hpp"

namespace tcpco::testing {

class controller_twins {
protected:
    explicit controller_twins(const controller_handle& controller)
        : policy_{controller.fresh()}, twin_{controller.fresh()}
    {
    }

    template <class F>
    void tell(F f)
    {
        f(*policy_);
        f(*twin_);
    }
    controller_answers now_is() const { return policy_->answers(); }

    // What an undo would bring back.
    void keep()
    {
        before_ = policy_->copy();
        twin_before_ = twin_->copy();
        earned_before_ = earned_;
    }
    void undo_reduction()
    {
        policy_->spurious(spurious_cause::dsack, *before_);
        twin_->spurious(spurious_cause::dsack, *twin_before_);
        before_.reset();
        earned_ = earned_before_;
    }

    std::unique_ptr<controller_handle> policy_;
    std::unique_ptr<controller_handle> twin_;
    std::unique_ptr<controller_handle> before_;  // as it was before the episode's first reduction; null: none
    std::unique_ptr<controller_handle> twin_before_;
    octet_count earned_ = 0;  // by ACKs that added nothing to the window yet
    octet_count earned_before_ = 0;
};

}  // namespace tcpco::testing
