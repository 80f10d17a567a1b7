export {AttachOptions, HttpAttachOptions} from './attach';
export {Credentials, TollgateAuthorizer, TollgateAuthorizerProps} from './authorizer';
export {Plan, Quota, Throttle} from './plans';
export {Rule} from './rules';
